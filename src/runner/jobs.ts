import { availableParallelism } from 'node:os'

/** What a file of tests may need while it runs, in bytes: a guest of the default size, its QEMU, and Node. */
const MEMORY = 1.5 * 1024 ** 3

/**
 * How many files of tests may run at once: as many as there are processors, and no more than memory allows,
 * that of the container where this is one.
 */
export function defaultJobs(
  processors: number = availableParallelism(),
  memory: number = process.availableMemory(),
): number {
  return Math.max(1, Math.min(processors, Math.floor(memory / MEMORY)))
}
