import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { MachineEvent } from './event.ts'
import { shellCommand } from '../util/shell.ts'

/** The file with all events. */
export const EVENTS = 'events.jsonl'

/** Writes events into a folder of artifacts: each before {@link add} returns, so that none is lost when the process is killed. */
export class RecordFolder implements Disposable {
  readonly #path: string
  /** Descriptors of the files, by their names. A file is opened at its first line. */
  readonly #files = new Map<string, number>()

  constructor(path: string) {
    this.#path = path
  }

  /** Writes an event. @throws the error of open(2) or write(2), such as ENOSPC. */
  add(event: MachineEvent): void {
    this.#write(EVENTS, JSON.stringify(event))
    if (event.kind === 'console') this.#write('console.log', event.line)
    if (event.kind === 'qemu') this.#write('qemu.txt', shellCommand(event.command))
  }

  [Symbol.dispose](): void {
    for (const descriptor of this.#files.values()) closeSync(descriptor)
    this.#files.clear()
  }

  #write(name: string, line: string): void {
    let descriptor = this.#files.get(name)
    if (descriptor === undefined) {
      descriptor = openSync(join(this.#path, name), 'a')
      this.#files.set(name, descriptor)
    }
    const bytes = Buffer.from(`${line}\n`)
    for (let written = 0; written < bytes.length;) {
      written += writeSync(descriptor, bytes, written)
    }
  }
}
