import { duration } from '../util/format.ts'
import {
  type FileResult,
  type TestResult,
  type TestRun,
  nameOf,
  totalsOf,
} from '../report/results.ts'
import type { RunListener } from '../runner/run-files.ts'
import { printableLine } from '../util/printable.ts'
import { print } from './print.ts'
import { ProgressLine } from './progress.ts'

/** The length from which on the beginning of a line is printed before its end has come, in characters. */
const LINE = 64 * 1024

/** How to print. */
export interface PrinterOptions {
  /** Whether several files run at once, so that each line has to say which file printed it. */
  readonly isMixed: boolean
  /** Whether the test uses the terminal too, so that only lines that stay are shown. */
  readonly isStill: boolean
}

/** Prints each test's result when it ends, one line each; a failed one is followed by its reason. */
export class TestPrinter implements RunListener, Disposable {
  readonly #isMixed: boolean
  readonly #progress = new ProgressLine()
  /** The tests that run in each file. */
  readonly #running = new Map<string, string>()
  /** The beginning of a line that a file has not ended yet. */
  readonly #rests = new Map<string, string>()
  /** Whether a changing line shows which tests run. */
  readonly #isShowing: boolean
  readonly #ticker: NodeJS.Timeout | undefined

  constructor({ isMixed, isStill }: PrinterOptions) {
    this.#isMixed = isMixed
    this.#isShowing = process.stderr.isTTY && !isStill
    if (this.#isShowing) this.#ticker = setInterval(() => this.#showRunning(), 1000).unref()
  }

  onResult(file: string, { name, status, duration: took, reason, failure }: TestResult): void {
    const what = printableLine(`${file} › ${nameOf(name)}`)
    if (status === 'failed') this.#failed(what, took, failure?.text ?? '')
    else if (status === 'passed') this.#print(`ok    ${timeOf(took)}  ${what}`)
    else {
      const sign = status === 'skipped' ? 'skip' : 'stop'
      this.#print(
        `${sign}  ${timeOf(took)}  ${what}${reason === undefined ? '' : `: ${printableLine(reason)}`}`,
      )
    }
  }

  onOutput(file: string, text: string): void {
    const lines = ((this.#rests.get(file) ?? '') + text).split('\n')
    const rest = lines.pop() ?? ''
    // A test may print a line that never ends.
    if (rest.length > LINE) lines.push(rest)
    this.#rests.set(file, rest.length > LINE ? '' : rest)
    for (const line of lines) this.#printOutput(file, line)
  }

  onRunning(file: string, names: readonly (readonly string[])[]): void {
    if (names.length === 0) this.#running.delete(file)
    else this.#running.set(file, names.map(nameOf).join(', '))
    if (this.#isShowing) this.#showRunning()
  }

  onFile({ name, duration: took, failure }: FileResult): void {
    const rest = this.#rests.get(name) ?? ''
    if (rest !== '') this.#printOutput(name, rest)
    this.#rests.delete(name)
    if (failure !== undefined) this.#failed(printableLine(name), took, failure.text)
  }

  /** Prints the totals, the last line. */
  summary(run: TestRun): void {
    const { passed, failed, skipped, interrupted } = totalsOf(run.files)
    if (run.interrupted !== undefined) this.#print(run.interrupted)
    const skips = skipped > 0 ? `, ${skipped} skipped` : ''
    const stops = interrupted > 0 ? `, ${interrupted} interrupted` : ''
    this.#print(`\n${passed} passed, ${failed} failed${skips}${stops}`)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#ticker)
    this.#progress.clear()
  }

  #failed(what: string, took: number, text: string): void {
    this.#print(`FAIL  ${timeOf(took)}  ${what}\n${text.trimEnd().replaceAll(/^/gm, '      ')}`)
  }

  #printOutput(file: string, line: string): void {
    this.#print(this.#isMixed ? `  ${printableLine(file)} | ${line}` : `  | ${line}`)
  }

  #print(line: string): void {
    this.#progress.clear()
    print(line)
  }

  #showRunning(): void {
    const [first] = this.#running
    if (first === undefined) return
    const more = this.#running.size - 1
    this.#progress.step('running', `${first.join(' › ')}${more > 0 ? ` and ${more} more` : ''}`)
  }
}

function timeOf(milliseconds: number): string {
  return duration(milliseconds).padStart(8)
}
