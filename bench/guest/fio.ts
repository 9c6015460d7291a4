/** How much of the file one run reads or writes: 512 times 4 KiB, or 32 times 1 MiB. */
const RANDOM_BYTES = '2M'
const SEQUENTIAL_BYTES = '32M'

/** The fields that are used of a job in fio's report. */
interface Direction {
  /** Milliseconds, with the fsync(2) at the end. */
  readonly runtime: number
  readonly total_ios: number
}

/**
 * The command that reads or writes the large files of a tree in place, each byte at most once and in the same order
 * every time.
 *
 * `invalidate=0` keeps the guest's page cache for a second run; the fsync(2) at the end makes writes reach the server as
 * they do without a cache.
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
 * How long a job took in seconds by fio's report, without the start of fio.
 *
 * @throws Error if the report has no job, or the job did nothing.
 */
export function fioSeconds(output: string): number {
  // fio may print notes before the report.
  const report = JSON.parse(output.slice(output.indexOf('{'))) as {
    readonly jobs: readonly { readonly read: Direction; readonly write: Direction }[]
  }
  const [job] = report.jobs
  const used = [job?.read, job?.write].find((direction) => (direction?.total_ios ?? 0) > 0)
  if (used === undefined) throw new Error('fio has read and written nothing')
  return used.runtime / 1000
}
