import type { Failure, FileResult, TestResult } from '../report/results.ts'
import { Output } from './output.ts'
import { type ProcessEnd, TestProcess } from './test-process.ts'
import type { Line, TestBegun } from './line.ts'
import { syntaxAdvice } from './syntax-advice.ts'

/** How to run one test file. */
export interface FileOptions {
  /** Absolute. */
  readonly path: string
  /** The name to show. */
  readonly name: string
  readonly only: string | undefined
  readonly artifacts: string | undefined
  /** Variables of the tests' environment in addition to this process's. */
  readonly env: Readonly<Record<string, string>>
  /** How long no test may begin or end, in milliseconds, at most 2^31 - 1; undefined for no limit. */
  readonly timeout: number | undefined
  /** Aborting it ends the tests. */
  readonly signal: AbortSignal
}

/** Gets the events of a file's tests while they run. */
export interface FileListener {
  onResult(result: TestResult): void
  onOutput(text: string): void
  /** The innermost tests and suites that run now, whenever these change. */
  onRunning(names: readonly (readonly string[])[]): void
}

/** Runs a test file in a process of its own. A failure is part of the result. */
export async function runFile(options: FileOptions, listener: FileListener): Promise<FileResult> {
  const run = new FileRun(options, listener)
  return run.finish()
}

class FileRun {
  readonly #options: FileOptions
  readonly #listener: FileListener
  readonly #start = Date.now()
  readonly #tests: TestResult[] = []
  readonly #output = new Output()
  /** Stops the file when no test has begun or ended for too long. */
  readonly #watchdog: NodeJS.Timeout | undefined
  readonly #process: TestProcess
  #running: TestBegun[] = []
  /** Why the process was told to end: a test took too long. */
  #lateness: string | undefined
  /** What has interrupted the run. */
  #interruption: string | undefined

  constructor(options: FileOptions, listener: FileListener) {
    this.#options = options
    this.#listener = listener
    this.#process = new TestProcess(options, {
      onLine: (line) => {
        this.#watchdog?.refresh()
        this.#take(line)
      },
      onOutput: (text) => this.#print(text),
    })
    const { timeout } = options
    if (timeout !== undefined)
      this.#watchdog = setTimeout(() => this.#endLate(timeout / 1000), timeout)
  }

  async finish(): Promise<FileResult> {
    const { signal, name, path, artifacts } = this.#options
    const abort = (): void => this.#interrupt((signal.reason as Error).message)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    try {
      const end = await this.#process.ended
      this.#reportUnfinished(end)
      const failure = this.#failureOf(end)
      return {
        name,
        path,
        start: this.#start,
        duration: Date.now() - this.#start,
        output: this.#output.text,
        tests: this.#tests,
        ...(failure && { failure }),
        ...(this.#interruption !== undefined && { interrupted: true }),
        ...(artifacts !== undefined && { artifacts }),
      }
    } finally {
      clearTimeout(this.#watchdog)
      signal.removeEventListener('abort', abort)
    }
  }

  #take(line: Line): void {
    switch (line.kind) {
      case 'begun':
        this.#begin(line)
        break
      case 'over':
        this.#over(line.key)
        break
      case 'result':
        this.#report(line.result)
        break
      case 'note':
        this.#print(`${line.text}\n`)
        break
    }
  }

  #print(text: string): void {
    this.#output.add(text)
    this.#listener.onOutput(text)
  }

  #begin(line: TestBegun): void {
    this.#running.push(line)
    this.#tellRunning()
  }

  #over(key: string): void {
    const index = this.#running.findIndex((each) => each.key === key)
    if (index >= 0) this.#running.splice(index, 1)
    this.#tellRunning()
  }

  #report(result: TestResult): void {
    const told = this.#asInterrupted(result)
    this.#tests.push(told)
    this.#listener.onResult(told)
  }

  /** A test that fails while its process is told to end fails because of that. */
  #asInterrupted(result: TestResult): TestResult {
    if (this.#interruption === undefined || result.status !== 'failed') return result
    const { name, start, duration } = result
    return { name, start, duration, status: 'interrupted', reason: this.#interruption }
  }

  #tellRunning(): void {
    this.#listener.onRunning(this.#innermost().map(({ name }) => name))
  }

  /** Of the tests and suites that run, the most deeply nested ones. */
  #innermost(): readonly TestBegun[] {
    const depth = Math.max(...this.#running.map(({ name }) => name.length))
    return this.#running.filter(({ name }) => name.length === depth)
  }

  #interrupt(reason: string): void {
    if (this.#lateness === undefined) this.#interruption = reason
    this.#process.stop()
  }

  #endLate(seconds: number): void {
    this.#lateness = this.#whyLate(seconds)
    this.#process.stop()
  }

  #whyLate(seconds: number): string {
    if (this.#running.length > 0) return `it took longer than ${seconds} seconds`
    return this.#tests.length === 0
      ? `it started no test for ${seconds} seconds`
      : `it is still running ${seconds} seconds after its last test: was a machine not disposed of?`
  }

  /** Reports the tests that were running as failed or interrupted, whatever has ended their process. */
  #reportUnfinished(end: ProcessEnd): void {
    const now = Date.now()
    for (const { name, time } of this.#innermost()) {
      const message = this.#lateness ?? `its process ${endOf(end)} in the middle of it`
      const failure = { message, text: `${message}\n${this.#output.tail()}` }
      this.#report({ name, status: 'failed', start: time, duration: now - time, failure })
    }
    this.#running = []
  }

  /** The failure of the file outside of its tests, if any. */
  #failureOf(end: ProcessEnd): Failure | undefined {
    const complaint = this.#complaintOf(end)
    if (complaint === undefined) return undefined
    const tail = this.#output.tail()
    const message = (end.code === 0 ? undefined : syntaxAdvice(tail)) ?? complaint
    return { message, text: `${message}\n${tail}`.trim() }
  }

  #complaintOf(end: ProcessEnd): string | undefined {
    if (this.#tests.some(({ status }) => status === 'failed')) return undefined
    if (this.#lateness !== undefined) return this.#lateness
    if (this.#interruption !== undefined) return undefined
    if (end.code !== 0) return `it ${endOf(end)}, outside of its tests`
    if (this.#tests.length === 0 && this.#options.only === undefined) return 'it has no tests'
    return undefined
  }
}

function endOf({ code, signal }: ProcessEnd): string {
  return signal === null ? `ended with ${code}` : `was ended by ${signal}`
}
