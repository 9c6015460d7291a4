import { relative } from 'node:path'
import type { FileResult, TestResult, TestRun } from '../report/results.ts'
import { runFile } from './run-file.ts'

/** How to run files of tests. */
export interface RunOptions {
  /** Absolute paths. */
  readonly files: readonly string[]
  /** How many run at once. */
  readonly jobs: number
  readonly only: string | undefined
  /** Milliseconds that may go by in a file without any test's beginning or end; undefined for any. */
  readonly timeout: number | undefined
  readonly signal: AbortSignal
  /** What the tests' environment has beside ours. */
  readonly env: Readonly<Record<string, string>>
  /** Gives the folder for the artifacts of a file, of which it gets the name; undefined for none. */
  readonly artifacts: ((name: string) => string) | undefined
}

/** What is told while tests run. Files are told by their names. */
export interface RunListener {
  onResult(file: string, result: TestResult): void
  onOutput(file: string, text: string): void
  onRunning(file: string, names: readonly (readonly string[])[]): void
  onFile(file: FileResult): void
}

/** Runs files of tests, each in a process of its own, and resolves with all results in the order of the files. */
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
  return {
    start,
    duration: Date.now() - start,
    files: results.filter((result) => result !== undefined),
    ...(each.signal.aborted && {
      interrupted: `Interrupted: ${waiting.length} of ${files.length} files have not run.`,
    }),
  }
}
