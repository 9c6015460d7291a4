import { readFileSync } from 'node:fs'
import type { Counts } from './requests.ts'

/** The time of each part of the serving process in microseconds, without sleep. */
export type PartTimes = Readonly<Record<Part, number>>

/** A profile of lowerdir's server, and the requests that it served meanwhile. */
export interface Profile {
  readonly times: PartTimes
  readonly requests: Counts
}

/** The parts of a server's work, and their names for people. */
export const parts = {
  looking: 'the loop, and looking for the next request',
  ring: 'the ring, and chains of descriptors',
  codec: 'decoding requests and encoding replies',
  session: 'the session, its nodes and files',
  tree: 'nodes of the tree',
  sys: 'calls of libc for files: the FFI and the system calls',
  waking: 'telling QEMU that there are replies: write(2) to its eventfd',
  collector: 'garbage collection',
} as const

export type Part = keyof typeof parts

/** Folders and files of dist/, and the parts that they belong to; the first match counts. */
const rooms: readonly (readonly [folder: string, part: Part])[] = [
  ['/transport/', 'ring'],
  ['/fuse/wire/', 'codec'],
  ['/fuse/', 'session'],
  ['/9p/wire/', 'codec'],
  ['/9p/', 'session'],
  ['/wire/', 'codec'],
  ['/session/', 'session'],
  ['/tree/', 'tree'],
  ['/sys/eventfd.js', 'waking'],
  ['/sys/', 'sys'],
]

/** The fields that are used of V8's .cpuprofile files. */
interface CpuProfile {
  readonly nodes: readonly ProfileNode[]
  /** The node of each sample, and the time since the previous sample in microseconds. */
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

interface ProfileNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string }
  readonly children?: readonly number[]
}

/** Reads a profile of the serving process. */
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

/** The part of a node. @param above the part of its caller; undefined outside of the loop, as at the start. */
function partBelow(
  { callFrame: { functionName, url } }: ProfileNode,
  above: Part | undefined,
): Part | 'asleep' | undefined {
  if (functionName === '(garbage collector)') return 'collector'
  const isLoop = url.endsWith('/server/loop.js')
  if (isLoop && functionName === '#sleep') return 'asleep'
  if (isLoop && functionName === 'run') return 'looking'
  if (above === 'looking') {
    // Code that finds the ring empty, or reads the clock, belongs to looking.
    const serves = url.endsWith('/vhost-user/queue.js') && functionName === '#serve'
    return serves ? 'ring' : 'looking'
  }
  // All that it calls belongs to the same part.
  if (above === undefined || above === 'waking') return above
  return rooms.find(([folder]) => url.includes(folder))?.[1] ?? above
}
