/** How much of the file one run reads or writes: 512 times 4 KiB, or 32 times 1 MiB. */
const RANDOM_BYTES = '2M'
const SEQUENTIAL_BYTES = '32M'

/** One job of fio's report, as far as it is of interest. */
interface Direction {
  /** Milliseconds, with the fsync(2) at the end. */
  readonly runtime: number
  readonly total_ios: number
}

/**
 * Reads or writes the large files of a tree in place, each byte at most once, the same places every time.
 *
 * `invalidate=0` lets a second run find what the first has left in the guest's page cache; the fsync(2) at
 * the end makes writing end where it does without a cache.
 */
export function fioScript(
  fio: string,
  way: 'randread' | 'randwrite' | 'read' | 'write',
  block: '4k' | '1M',
): string {
  const isRandom = way.startsWith('rand')
  return [
    fio,
    `--name=bench --thread --ioengine=psync --rw=${way} --bs=${block}`,
    `--filename=io/${isRandom ? 'random' : 'sequential'}`,
    `--io_size=${isRandom ? RANDOM_BYTES : SEQUENTIAL_BYTES}`,
    '--invalidate=0 --end_fsync=1 --gtod_reduce=1 --output-format=json',
  ].join(' ')
}

/**
 * What fio says how long its job took in seconds, without its own start.
 *
 * @throws Error for a report of a job that did nothing, or of none.
 */
export function fioSeconds(output: string): number {
  // Notes may come before it.
  const report = JSON.parse(output.slice(output.indexOf('{'))) as {
    readonly jobs: readonly { readonly read: Direction; readonly write: Direction }[]
  }
  const [job] = report.jobs
  const used = [job?.read, job?.write].find((direction) => (direction?.total_ios ?? 0) > 0)
  if (used === undefined) throw new Error('fio has read and written nothing')
  return used.runtime / 1000
}
