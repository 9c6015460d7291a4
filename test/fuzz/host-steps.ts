import type { Ownership } from '../../src/tree/host/owners.ts'
import type { HostPolicy } from '../../src/tree/host/policy.ts'
import type { Random } from './random.ts'
import type { WorldStep } from './trace.ts'
import { hostActions, startingNames } from './world.ts'

const owners: readonly Ownership[] = [
  'host',
  'host',
  'host',
  'mapped-xattr',
  'mapped-xattr',
  { uid: 7, gid: 8 },
  [{ guest: 0, host: 0, count: 1000 }],
]

/**
 * The lengths of the timers that a tree sets: for new nodes, for locks of the host, for the wait for a lock.
 */
export const timers = [10, 10, 20, 30_000] as const

/** How an export may be served. */
export function hostPolicy(random: Random): HostPolicy {
  return {
    readOnly: random.chance(25),
    owner: random.pick(owners),
    atime: random.chance(75) ? 'preserve' : 'guest',
    // The least that is allowed.
    ...(random.chance(40) ? { descriptors: 16 } : {}),
  }
}

/** A change on the host. */
export function hostStep(random: Random): WorldStep {
  const path = (): string => {
    // The fid from which others are walked to.
    if (random.chance(20)) return random.pick(['dir', 'dir/inner'])
    const directory = random.pick(Object.keys(startingNames))
    const names = startingNames[directory] ?? []
    // The actor's own paths are text.
    const name = random.pick(names.filter((each) => /^[ -~]+$/.test(each)))
    return directory === '' ? name : `${directory}/${name}`
  }
  const host = random.pick(hostActions)
  return host === 'rename' ? { host, path: path(), to: path() } : { host, path: path() }
}
