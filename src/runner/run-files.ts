/**
 * The runner of `lowerdir test`: finds test files, runs each in a process of its own with node:test, and collects the
 * results.
 */

import { availableParallelism } from 'node:os'
import { relative } from 'node:path'
import type { FileResult, TestResult, TestRun } from '../report/results.ts'
import { runFile } from './run-file.ts'

/** How to run test files. */
export interface RunOptions {
  /** Absolute paths. */
  readonly files: readonly string[]
  /** How many run at once. */
  readonly jobs: number
  readonly only: string | undefined
  /** How long no test of a file may begin or end, in milliseconds; undefined for no limit. */
  readonly timeout: number | undefined
  readonly signal: AbortSignal
  /** Variables of the tests' environment in addition to this process's. */
  readonly env: Readonly<Record<string, string>>
  /** Makes the folder for the artifacts of the file of that name; undefined for no artifacts. */
  readonly artifacts: ((name: string) => string) | undefined
}

/** Gets the events of all tests while they run. `file` is the file's name. */
export interface RunListener {
  onResult(file: string, result: TestResult): void
  onOutput(file: string, text: string): void
  onRunning(file: string, names: readonly (readonly string[])[]): void
  onFile(file: FileResult): void
}

/** The memory that a test file may need, in bytes: a guest of the default size, its QEMU, and Node. */
const MEMORY = 1.5 * 1024 ** 3

/**
 * How many test files run at once by default: one for each CPU, and no more than memory allows.
 *
 * @param memory in bytes; by default what is available, within the limit of the container if there is one.
 */
export function defaultJobs(
  cpus: number = availableParallelism(),
  memory: number = process.availableMemory(),
): number {
  return Math.max(1, Math.min(cpus, Math.floor(memory / MEMORY)))
}

/** Runs test files, each in a process of its own. Resolves with all results in the order of the files. */
export async function runFiles(options: RunOptions, listener: RunListener): Promise<TestRun> {
  const { files, jobs, artifacts, ...each } = options
  const start = Date.now()
  const results: (FileResult | undefined)[] = files.map(() => undefined)
  const waiting = [...files.entries()]

  const work = async (): Promise<void> => {
    while (!each.signal.aborted) {
      const next = waiting.shift()
      if (next === undefined) return
      const [index, path] = next
      const name = relative(process.cwd(), path)
      const result = await runFile(
        { ...each, path, name, artifacts: artifacts?.(name) },
        {
          onResult: (test) => listener.onResult(name, test),
          onOutput: (text) => listener.onOutput(name, text),
          onRunning: (names) => listener.onRunning(name, names),
        },
      )
      results[index] = result
      listener.onRunning(name, [])
      listener.onFile(result)
    }
  }
  await Promise.all(Array.from({ length: Math.min(jobs, files.length) }, work))
  const begun = results.filter((result) => result !== undefined)
  return {
    start,
    duration: Date.now() - start,
    files: begun,
    ...(each.signal.aborted && { interrupted: interruption(begun, waiting.length) }),
  }
}

/** Where an interrupted run stood, in a sentence. */
function interruption(begun: readonly FileResult[], waiting: number): string {
  const stopped = begun.filter(({ interrupted }) => interrupted).length
  const ended = begun.length - stopped
  return `Interrupted. Files: ${ended} ended, ${stopped} stopped, ${waiting} not started.`
}
