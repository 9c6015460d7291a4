import { readFileSync } from 'node:fs'
import type { Counts } from './requests.ts'

/** Where our server's thread has spent its time, in microseconds by {@link parts}; sleep is no part of it. */
export type PartTimes = Readonly<Record<Part, number>>

/** A profile of our server, and what it was asked for meanwhile. */
export interface Profile {
  readonly times: PartTimes
  readonly requests: Counts
}

/** The parts of a server's work, and what a person calls them. */
export const parts = {
  looking: 'the loop, and looking for the next request',
  ring: 'the ring, and chains of descriptors',
  codec: 'reading requests and writing answers',
  session: 'fids and the session',
  tree: 'nodes of the tree',
  sys: 'calls of libc for files: the FFI and the system calls',
  waking: 'telling QEMU that there are answers: write(2) to its eventfd',
  collector: 'collecting garbage',
} as const

export type Part = keyof typeof parts

/** Our folders, and files in them that are a part of their own, and which part they are. */
const rooms: readonly (readonly [folder: string, part: Part])[] = [
  ['/transport/', 'ring'],
  ['/9p/wire/', 'codec'],
  ['/9p/', 'session'],
  ['/tree/', 'tree'],
  ['/sys/eventfd.js', 'waking'],
  ['/sys/', 'sys'],
]

/** What of V8's .cpuprofile files is of interest. */
interface CpuProfile {
  readonly nodes: readonly ProfileNode[]
  /** Which node each sample has found, and how long after the one before, in microseconds. */
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

interface ProfileNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string }
  readonly children?: readonly number[]
}

/** Reads a profile of our server's engine thread. */
export function readProfile(path: string): PartTimes {
  return partTimes(JSON.parse(readFileSync(path, 'utf8')) as CpuProfile)
}

function partTimes({ nodes, samples, timeDeltas }: CpuProfile): PartTimes {
  const partOf = assign(nodes)
  const times = {
    looking: 0,
    ring: 0,
    codec: 0,
    session: 0,
    tree: 0,
    sys: 0,
    waking: 0,
    collector: 0,
  }
  for (const [i, id] of samples.entries()) {
    const part = partOf.get(id)
    if (part !== undefined) times[part] += timeDeltas[i] ?? 0
  }
  return times
}

/** The part that each node of the tree of calls belongs to, if any. */
function assign(nodes: readonly ProfileNode[]): ReadonlyMap<number, Part> {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const found = new Map<number, Part>()
  const visit = (node: ProfileNode | undefined, above: Part | undefined): void => {
    if (node === undefined) return
    const part = partBelow(node, above)
    if (part === 'asleep') return
    if (part !== undefined) found.set(node.id, part)
    for (const child of node.children ?? []) visit(byId.get(child), part)
  }
  visit(nodes[0], undefined)
  return found
}

/** @param above what the caller belongs to: nothing outside of the loop, such as the start of a thread. */
function partBelow(
  { callFrame: { functionName, url } }: ProfileNode,
  above: Part | undefined,
): Part | 'asleep' | undefined {
  if (functionName === '(garbage collector)') return 'collector'
  const isLoop = url.endsWith('/server/loop.js')
  if (isLoop && functionName === '#sleep') return 'asleep'
  if (isLoop && functionName === 'run') return 'looking'
  if (above === 'looking') {
    // Whatever looks at the ring in vain, or at the clock, only looks.
    const serves = url.endsWith('/request-queue.js') && functionName === '#serve'
    return serves ? 'ring' : 'looking'
  }
  // Whatever it is made of.
  if (above === undefined || above === 'waking') return above
  return rooms.find(([folder]) => url.includes(folder))?.[1] ?? above
}
