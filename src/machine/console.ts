import { EventEmitter } from 'node:events'
import type { Readable } from 'node:stream'
import { KeptText } from './kept-text.ts'

/** How much of a console is kept, in characters: hours of a kernel and a systemd that say much. */
const KEPT = 8 << 20

/** Longest line in characters: a guest may print one that never ends. */
const LINE = 64 * 1024

/** How many characters of the end a tail is taken from: enough for a panic with its trace. */
const TAIL = 64 * 1024

/** The output of a serial console: of the guest's kernel, its init and its console's programs. The oldest part is dropped. */
export class Console extends EventEmitter<{ text: []; chunk: [string]; end: [] }> {
  readonly #text = new KeptText(KEPT)
  #line = ''
  readonly #onLine: (line: string) => void

  /**
   * Emits `text` for each piece that comes, also for a part of a line such as a prompt, and `chunk` with the piece as it
   * came, for a terminal.
   *
   * @param onLine gets every line, without its end.
   */
  constructor(stream: Readable, onLine: (line: string) => void) {
    super()
    this.setMaxListeners(0)
    this.#onLine = onLine
    stream.setEncoding('utf8')
    stream.on('data', (chunk: string) => this.#add(chunk))
    stream.on('end', () => {
      this.#endLine()
      this.emit('end')
    })
  }

  /** All of it that is kept, with the line under way. */
  get text(): string {
    return this.from(0)
  }

  /** How many characters there have been, those of the line under way included. */
  get end(): number {
    return this.#text.end + this.#line.length
  }

  /** The text from the character on that had this many before it, as far as it is kept, with the line under way. */
  from(place: number): string {
    return this.#text.from(place) + this.#line.slice(Math.max(0, place - this.#text.end))
  }

  /** The last `count` lines. */
  tail(count: number): string {
    return this.from(this.end - TAIL)
      .trimEnd()
      .split('\n')
      .slice(-count)
      .join('\n')
  }

  #add(chunk: string): void {
    const [first = '', ...others] = chunk.replaceAll('\r', '').split('\n')
    this.#line += first
    for (const next of others) {
      this.#endLine()
      this.#line = next
    }
    if (this.#line.length > LINE) this.#endLine()
    this.emit('text')
    this.emit('chunk', chunk)
  }

  #endLine(): void {
    const line = this.#line
    this.#line = ''
    if (line === '') return
    this.#text.add(`${line}\n`)
    this.#onLine(line)
  }
}
