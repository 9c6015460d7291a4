import type { FsDriver } from './driver.ts'
import type { Job } from './workloads.ts'

/** The result of a measurement. */
export interface FsLoad {
  /** Jobs per second. */
  readonly rate: number
  /** The server's CPU time for each job, in nanoseconds. */
  readonly cpu: number
  /** How long jobs took, in microseconds: the median, and what 99 % do not exceed. */
  readonly latency: number
  readonly latency99: number
}

/** The part of the time that warms both sides up and does not count. */
const WARM_UP = 0.1

/** The most jobs of one measurement whose latency is kept. */
const LATENCIES_MAX = 1 << 20

/** Which job a chain belongs to, and which of its steps it is. */
interface Place {
  readonly job: number
  readonly step: number
}

/**
 * Makes jobs for some time, `depth` of them at once, each in its turn.
 *
 * @param clock the server's CPU time in nanoseconds.
 * @throws Error for a reply that is an error or has another length than it should.
 */
export function measure(
  driver: FsDriver,
  jobs: readonly Job[],
  depth: number,
  milliseconds: number,
  clock: () => number,
): FsLoad {
  const { ring } = driver
  const places: Place[] = []
  for (const [job, steps] of jobs.entries()) {
    for (const [step, { chain }] of steps.entries()) places[chain] = { job, step }
  }
  /** The jobs that are not under way, in the order of their turns, from `idle[first]` on and round. */
  const idle = jobs.map((_, i) => i)
  let first = 0
  let last = 0
  const started = new Float64Array(jobs.length)
  const latencies = new Float64Array(LATENCIES_MAX)
  let underWay = 0
  let done = 0

  const begin = performance.now()
  const stop = begin + milliseconds
  const warm = begin + WARM_UP * milliseconds
  let start = Infinity
  let cpu = 0
  let rate = 0
  let isStopping = false

  const startJob = (now: number): void => {
    const job = idle[first]!
    first = (first + 1) % jobs.length
    underWay++
    started[job] = now
    ring.offer(jobs[job]![0]!.chain)
  }
  for (let i = 0; i < depth; i++) startJob(begin)
  for (;;) {
    driver.wait()
    for (let chain = ring.take(); chain >= 0; chain = ring.take()) {
      const { job, step } = places[chain]!
      const { replyBytes, replyHeader, onReply } = jobs[job]![step]!
      if (replyBytes > 0) check(replyHeader, replyBytes)
      onReply?.()
      const next = jobs[job]![step + 1]
      if (next !== undefined) {
        ring.offer(next.chain)
        continue
      }
      const now = performance.now()
      if (done < LATENCIES_MAX) latencies[done] = now - started[job]!
      done++
      underWay--
      idle[last] = job
      last = (last + 1) % jobs.length
      if (start === Infinity && now >= warm) {
        start = now
        done = 0
        cpu = -clock()
      }
      if (!isStopping && now >= stop && done > 0) {
        isStopping = true
        rate = (done * 1000) / (now - start)
        cpu = (cpu + clock()) / done
      }
      if (!isStopping) startJob(now)
    }
    if (underWay === 0) break
  }
  const sorted = latencies.subarray(0, Math.min(done, LATENCIES_MAX)).toSorted()
  const rank = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1]! * 1000
  return { rate, cpu, latency: rank(0.5), latency99: rank(0.99) }
}

/** len[4] error[4] */
function check(header: DataView, bytes: number): void {
  const [length, error] = [header.getUint32(0, true), header.getInt32(4, true)]
  if (error === 0 && length === bytes) return
  throw new Error(`a reply of ${length} bytes instead of ${bytes}, with error ${error}`)
}
