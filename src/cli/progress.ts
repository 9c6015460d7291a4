import type { OnProgress, ProgressPhase } from '../provision/archive.ts'

const phases: Readonly<Record<ProgressPhase, string>> = {
  index: 'reading the index of',
  download: 'downloading',
  unpack: 'unpacking',
  install: 'installing',
  finish: 'preparing',
}

/** Shows how far a fetch is. */
export function showFetch(progress: ProgressLine): OnProgress {
  return ({ phase, detail, done, total }) => {
    progress.step(
      `${phases[phase]} ${detail}`,
      total === undefined ? '' : `${Math.floor((100 * (done ?? 0)) / total)} %`,
    )
  }
}

/**
 * What is going on, on standard error: one line that changes on a terminal, and gone at the end; a line
 * for each step in a log.
 */
export class ProgressLine {
  readonly #start = performance.now()
  readonly #isTerminal = process.stderr.isTTY
  #last = ''

  /** @param detail changes often; a log shows only the step. */
  step(step: string, detail = ''): void {
    if (this.#isTerminal) {
      const line = `lowerdir: ${step}${detail === '' ? '' : ` ${detail}`}`
      process.stderr.write(`\r\x1b[2K${line.slice(0, (process.stderr.columns || 80) - 1)}`)
    } else if (step !== this.#last) {
      process.stderr.write(`lowerdir: ${this.#seconds()} ${step}\n`)
    }
    this.#last = step
  }

  /** A line that stays. */
  say(line: string): void {
    this.clear()
    process.stderr.write(`lowerdir: ${line}\n`)
  }

  /** Takes the changing line away. */
  clear(): void {
    if (this.#isTerminal && this.#last !== '') process.stderr.write('\r\x1b[2K')
    this.#last = ''
  }

  #seconds(): string {
    return `[${((performance.now() - this.#start) / 1000).toFixed(1).padStart(5)} s]`
  }
}
