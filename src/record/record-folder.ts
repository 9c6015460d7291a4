import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { APPEND } from '../util/no-follow.ts'
import { BothEnds } from './both-ends.ts'
import type { LinesLeftOut, MachineEvent } from './event.ts'
import {
  CONSOLE_FILES,
  CONSOLE_LIMITS,
  EVENT_FILES,
  QEMU_FILE,
  RECORD_LIMITS,
  describeLeftOut,
} from './record-files.ts'
import { shellCommand } from '../util/shell.ts'

/**
 * Writes events into a folder of artifacts: each before {@link add} returns, so that none is lost when the process is killed.
 * Of a long record the beginning and the end are kept ({@link RECORD_LIMITS}).
 */
export class RecordFolder implements Disposable {
  readonly #path: string
  readonly #console: BothEnds
  readonly #events: BothEnds
  readonly #text: BothEnds
  /** The time of the newest event. */
  #time = 0

  constructor(path: string) {
    this.#path = path
    this.#console = this.#linesOf('console')
    this.#events = this.#linesOf('events')
    this.#text = new BothEnds(path, CONSOLE_FILES, CONSOLE_LIMITS, describeLeftOut(CONSOLE_FILES))
  }

  /** Writes an event. @throws the error of open(2), rename(2) or write(2), such as ENOSPC. */
  add(event: MachineEvent): void {
    this.#time = event.time
    const line = JSON.stringify(event)
    if (event.kind === 'console') {
      this.#console.add(line)
      this.#text.add(event.line)
    } else {
      this.#events.add(line)
    }
    if (event.kind === 'qemu') this.#addQemu(shellCommand(event.command))
  }

  [Symbol.dispose](): void {
    for (const files of [this.#console, this.#events, this.#text]) files[Symbol.dispose]()
  }

  #linesOf(what: LinesLeftOut['what']): BothEnds {
    return new BothEnds(this.#path, EVENT_FILES[what], RECORD_LIMITS[what], (leftOut) => {
      const event: MachineEvent = { time: this.#time, kind: 'left-out', what, ...leftOut }
      return JSON.stringify(event)
    })
  }

  /** A machine starts QEMU a few times at most, and its command line has a limit of the kernel's: this needs none. */
  #addQemu(command: string): void {
    const descriptor = openSync(join(this.#path, QEMU_FILE), APPEND)
    try {
      const bytes = Buffer.from(`${command}\n`)
      for (let written = 0; written < bytes.length;) {
        written += writeSync(descriptor, bytes, written)
      }
    } finally {
      closeSync(descriptor)
    }
  }
}
