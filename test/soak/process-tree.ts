import { readFileSync, readdirSync } from 'node:fs'

/** What a process and all its children have at one moment. */
export interface Sample {
  /** Memory that only these processes use, in KiB. */
  readonly memory: number
  readonly descriptors: number
}

export function sampleOf(pid: number): Sample {
  let [memory, descriptors] = [0, 0]
  for (const each of [pid, ...childrenOf(pid)]) {
    try {
      memory += kibibytes(readFileSync(`/proc/${each}/smaps_rollup`, 'latin1'), 'Private_Dirty')
      descriptors += readdirSync(`/proc/${each}/fd`).length
    } catch (error) {
      if (!isGone(error)) throw error
    }
  }
  return { memory, descriptors }
}

function kibibytes(text: string, name: string): number {
  return Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(text)?.[1])
}

function childrenOf(pid: number): number[] {
  try {
    const threads = readdirSync(`/proc/${pid}/task`)
    const children = threads
      .flatMap((thread) =>
        readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1').split(' '),
      )
      .filter((word) => word !== '')
      .map(Number)
    return children.concat(children.flatMap(childrenOf))
  } catch (error) {
    if (isGone(error)) return []
    throw error
  }
}

/** A process may end while it is looked at. */
function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOENT' || code === 'ESRCH'
}

/** How the end of a soak compares with its beginning, of which the first fifth does not count. */
export interface Flatness {
  readonly memoryRatio: number
  readonly descriptorsRatio: number
  readonly text: string
}

export function flatness(samples: readonly Sample[]): Flatness {
  const part = (from: number, to: number): readonly Sample[] =>
    samples.slice(Math.floor(samples.length * from), Math.ceil(samples.length * to))
  const [first, last] = [part(0.2, 0.4), part(0.8, 1)]
  const compare = (key: keyof Sample): readonly [first: number, last: number, ratio: number] => {
    const [a, b] = [median(first.map((each) => each[key])), median(last.map((each) => each[key]))]
    return [a, b, b / a]
  }
  const [memoryThen, memoryNow, memoryRatio] = compare('memory')
  const [descriptorsThen, descriptorsNow, descriptorsRatio] = compare('descriptors')
  const mebibytes = (kib: number): string => `${(kib / 1024).toFixed(1)} MiB`
  return {
    memoryRatio,
    descriptorsRatio,
    text:
      `memory ${mebibytes(memoryThen)}, then ${mebibytes(memoryNow)}; ` +
      `descriptors ${descriptorsThen}, then ${descriptorsNow}`,
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
