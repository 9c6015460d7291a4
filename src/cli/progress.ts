import type { OnProgress, ProgressPhase } from '../provision/archive.ts'
import { printableLine } from '../util/printable.ts'
import { printError } from './print.ts'

const phases: Readonly<Record<ProgressPhase, string>> = {
  index: 'reading the index of',
  download: 'downloading',
  unpack: 'unpacking',
  install: 'installing',
  finish: 'preparing',
}

/** Shows the progress of a fetch. */
export function showFetch(progress: ProgressLine): OnProgress {
  return ({ phase, detail, done, total }) => {
    progress.step(
      `${phases[phase]} ${detail}`,
      total === undefined ? '' : `${Math.floor((100 * (done ?? 0)) / total)} %`,
    )
  }
}

/**
 * Shows on standard error what this process is doing: on a terminal one line that changes and disappears at
 * the end, in a log one line for each step.
 */
export class ProgressLine {
  readonly #start = performance.now()
  readonly #isTerminal = process.stderr.isTTY
  #last = ''

  /** Shows a step. @param detail changes often; a log leaves it out. */
  step(step: string, detail = ''): void {
    if (this.#isTerminal) {
      const line = printableLine(`lowerdir: ${step}${detail === '' ? '' : ` ${detail}`}`)
      process.stderr.write(`\r\x1b[2K${line.slice(0, (process.stderr.columns || 80) - 1)}`)
    } else if (step !== this.#last) {
      printError(`lowerdir: ${this.#seconds()} ${step}`)
    }
    this.#last = step
  }

  /** Prints a line that stays. */
  say(line: string): void {
    this.clear()
    printError(`lowerdir: ${line}`)
  }

  /** Removes the changing line. */
  clear(): void {
    if (this.#isTerminal && this.#last !== '') process.stderr.write('\r\x1b[2K')
    this.#last = ''
  }

  #seconds(): string {
    return `[${((performance.now() - this.#start) / 1000).toFixed(1).padStart(5)} s]`
  }
}
