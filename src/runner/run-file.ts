import type { Failure, FileResult, TestResult } from '../report/results.ts'
import { Output } from './output.ts'
import { type ProcessEnd, TestProcess } from './test-process.ts'
import type { Line, TestBegun } from './line.ts'
import { Watchdog } from './watchdog.ts'

/** How to run one file of tests. */
export interface FileOptions {
  /** Absolute. */
  readonly path: string
  /** As people are shown it. */
  readonly name: string
  readonly only: string | undefined
  readonly artifacts: string | undefined
  /** What the tests' environment has beside ours. */
  readonly env: Readonly<Record<string, string>>
  /** Milliseconds that may go by without any test's beginning or end; undefined for any. */
  readonly timeout: number | undefined
  /** Aborting it ends the tests. */
  readonly signal: AbortSignal
}

/** What is told while a file's tests run. */
export interface FileListener {
  onResult(result: TestResult): void
  onOutput(text: string): void
  /** The tests and suites that run now have changed. */
  onRunning(names: readonly (readonly string[])[]): void
}

/** Runs a file of tests in a process of its own. It never rejects: what goes wrong is the file's result. */
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
  readonly #watchdog: Watchdog | undefined
  readonly #process: TestProcess
  #running: TestBegun[] = []
  /** Why the process was told to end. */
  #stopReason: string | undefined

  constructor(options: FileOptions, listener: FileListener) {
    this.#options = options
    this.#listener = listener
    this.#process = new TestProcess(options, {
      onLine: (line) => {
        this.#watchdog?.reset()
        this.#take(line)
      },
      onOutput: (text) => this.#print(text),
    })
    const { timeout } = options
    if (timeout !== undefined)
      this.#watchdog = new Watchdog(timeout, () => this.#stop(this.#whyLate(timeout / 1000)))
  }

  async finish(): Promise<FileResult> {
    const { signal, name, path, artifacts } = this.#options
    const abort = (): void => this.#stop(`it was ${(signal.reason as Error).message}`)
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
        ...(artifacts !== undefined && { artifacts }),
      }
    } finally {
      this.#watchdog?.[Symbol.dispose]()
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
    this.#tests.push(result)
    this.#listener.onResult(result)
  }

  #tellRunning(): void {
    this.#listener.onRunning(this.#innermost().map(({ name }) => name))
  }

  /** What runs and has nothing within it that runs. */
  #innermost(): readonly TestBegun[] {
    const depth = Math.max(...this.#running.map(({ name }) => name.length))
    return this.#running.filter(({ name }) => name.length === depth)
  }

  #stop(reason: string): void {
    this.#stopReason ??= reason
    this.#process.stop()
  }

  #whyLate(seconds: number): string {
    if (this.#running.length > 0) return `it took longer than ${seconds} seconds`
    return this.#tests.length === 0
      ? `nothing was heard of it for ${seconds} seconds`
      : `something keeps it running ${seconds} seconds after its last test: a machine that was not disposed of?`
  }

  /** A test that was under way has failed, whatever has ended its process. */
  #reportUnfinished(end: ProcessEnd): void {
    const now = Date.now()
    for (const { name, time } of this.#innermost()) {
      const message = this.#stopReason ?? `its process ${endOf(end)} in the middle of it`
      const failure = { message, text: `${message}\n${this.#output.tail()}` }
      this.#report({ name, status: 'failed', start: time, duration: now - time, failure })
    }
    this.#running = []
  }

  /** What has failed and is no test's. */
  #failureOf(end: ProcessEnd): Failure | undefined {
    const message = this.#complaintOf(end)
    return message === undefined
      ? undefined
      : { message, text: `${message}\n${this.#output.tail()}`.trim() }
  }

  #complaintOf(end: ProcessEnd): string | undefined {
    if (this.#tests.some(({ status }) => status === 'failed')) return undefined
    if (this.#stopReason !== undefined) return this.#stopReason
    if (end.code !== 0) return `it ${endOf(end)}, outside of its tests`
    if (this.#tests.length === 0 && this.#options.only === undefined) return 'it has no tests'
    return undefined
  }
}

function endOf({ code, signal }: ProcessEnd): string {
  return signal === null ? `ended with ${code}` : `was ended by ${signal}`
}
