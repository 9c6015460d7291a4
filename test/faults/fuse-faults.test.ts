// First of all: it must be there before anything of src/ is loaded.
import { libc } from './faulty-libc.mjs'
import { describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import type { MessageName } from '../../src/fuse/wire/messages.ts'
import { messageNames } from '../support/fuse/requests.ts'
import { type Absorbed, cleanRun, complaints, faults, type Rules } from './complaints.ts'
import { type FuseRequest, fuseScenes } from './fuse-scenario.ts'

const names = Object.keys(fuseScenes) as (keyof typeof fuseScenes)[]
const cleanRuns = Object.fromEntries(names.map((name) => [name, cleanRun(fuseScenes[name])])) as {
  readonly [Name in (typeof names)[number]]: ReturnType<typeof cleanRun<FuseRequest>>
}

const nothingToReport = 'what was never written through has nothing to report'
const shown = 'what is shown of a directory is less, and the next request tells why'
const stale = 'what loses its name is held if it can be, and is stale otherwise'
const atHand = 'an anchor makes do with the descriptor that the guest has opened'
const changing = ['rename', 'rename2', 'unlink', 'rmdir'] as const
const listing = ['readdir', 'readdirplus'] as const

const isAfterLink = (position: number, calls: readonly string[]): boolean =>
  calls.includes('linkat') && position > calls.indexOf('linkat')

const absorbed: readonly Absorbed<MessageName>[] = [
  {
    requests: ['release', 'releasedir'],
    call: 'close',
    at: (position, calls) => position === calls.length - 1,
    answer: 'errno',
    reason: 'the last one is the open file’s: the last word about its bytes',
  },
  { requests: ['symlink'], call: 'close', answer: 'any', reason: 'the last word about a target' },
  { requests: 'all', call: 'close', answer: 'usual', reason: nothingToReport },
  { requests: listing, call: 'getdents64', answer: 'less', reason: shown },
  { requests: listing, call: 'statx', answer: 'less', reason: shown },
  { requests: listing, call: 'openat', answer: 'less', reason: shown },
  { requests: listing, call: 'getxattr', answer: 'less', reason: shown },
  { requests: 'all', call: 'openat', errno: 'EMFILE', answer: 'any', reason: 'others give back' },
  {
    requests: ['link'],
    call: 'statx',
    at: isAfterLink,
    answer: 'usual',
    reason: 'the name is there: the client is told, and asks for the attributes again',
  },
  {
    requests: ['link'],
    call: 'getxattr',
    at: isAfterLink,
    answer: 'usual',
    reason: 'the name is there: the client is told, and asks for the attributes again',
  },
  { requests: changing, call: 'openat', answer: 'any', reason: stale },
  { requests: changing, call: 'statx', answer: 'any', reason: stale },
  { requests: ['setlk'], call: 'openat', answer: 'any', reason: atHand },
  {
    requests: ['setlk', 'release'],
    call: 'fcntl',
    answer: 'waiter',
    reason: 'it was for that lock',
  },
]

const rules: Rules<MessageName> = {
  absorbed,
  // Linux asks for neither again (fuse_release_common).
  freeing: new Set(['release', 'releasedir']),
  inParts: new Set(['setattr', 'write', 'open']),
}

/** What is wrong with the runs of a scene in which a call fails. */
function complaintsOf(
  scene: keyof typeof fuseScenes,
  name: (typeof faults)[number] | 'EINTR',
): string[] {
  return complaints(fuseScenes[scene], cleanRuns[scene], rules, name)
}

describe('a call of libc that fails under a FUSE session', () => {
  it('can be any', () => {
    const all = names.flatMap((name) => cleanRuns[name].run.answers)
    const used = new Set(all.map(({ request }) => request.name))
    expect([...used].toSorted()).toEqual(messageNames.toSorted())
    for (const name of names) {
      const { run } = cleanRuns[name]
      expect([name, run.opened, run.left, run.closedTwice, run.log]).toEqual([
        name,
        'ok',
        0,
        [],
        [],
      ])
      expect(run.answers.filter(({ miscounted }) => miscounted !== 0)).toEqual([])
    }
  })

  it.each(faults)('with %s is what the client is told, and leaves nothing behind', (name) => {
    for (const which of names) expect([which, complaintsOf(which, name)]).toEqual([which, []])
  })

  it('with EINTR is made again', () => {
    expect(complaintsOf('mapped-xattr', 'EINTR')).toEqual([])
  })

  it('with EINTR all the time is EINTR in the end', () => {
    const run = fuseScenes.host.run(
      cleanRuns.host.calls.indexOf('pread'),
      { errno: errno.EINTR },
      Infinity,
    )
    const read = run.answers.find(({ request }) => request.name === 'read')
    expect(read?.answer).toBe('EINTR')
    expect(libc.calls.filter((call) => call === 'pread').length).toBeGreaterThan(50)
  })

  it('has only exceptions that really occur', () => {
    const all = names.flatMap((name) => cleanRuns[name].run.answers)
    for (const { requests, call } of absorbed) {
      const made = all.some(
        ({ request: { name }, calls }) =>
          (requests === 'all' || requests.includes(name)) && calls.includes(call),
      )
      expect([requests, call, made]).toEqual([requests, call, true])
    }
  })
})

describe('FSYNC', () => {
  it.each([
    [0, 'fsync'],
    [1, 'fdatasync'],
  ])('with the flags %i makes %s, and tells what it says', (flags, call) => {
    const { run, calls } = cleanRuns.host
    const at = run.answers.findIndex((each) => each.calls[0] === call)
    expect(run.answers[at]?.request.name).toBe('fsync')
    expect(run.answers[at]?.request.fields(number, number)).toMatchObject({
      ...(flags > 0 && { flags }),
    })
    const failed = fuseScenes.host.run(calls.indexOf(call), { errno: errno.EIO })
    expect(failed.answers[at]?.answer).toBe('EIO')
  })
})

const number = (): number => 0
