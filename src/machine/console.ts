import { EventEmitter } from 'node:events'
import type { Readable } from 'node:stream'

/** How much of a console is kept, in characters: hours of a kernel and a systemd that say much. */
const KEPT = 4 << 20

/** Longest line in characters: a guest may print one that never ends. */
const LINE = 64 * 1024

/** How many characters of the end a tail is taken from: enough for a panic with its trace. */
const TAIL = 64 * 1024

/** The output of a serial console: of the guest's kernel, its init and its console's programs. The oldest part is dropped. */
export class Console extends EventEmitter<{ text: []; chunk: [string]; end: [] }> {
  #text = ''
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

  /** All of it, with the line under way. */
  get text(): string {
    return this.#text + this.#line
  }

  /** The last `count` lines. */
  tail(count: number): string {
    return this.text.slice(-TAIL).trimEnd().split('\n').slice(-count).join('\n')
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
    this.#text = `${this.#text}${line}\n`
    // At twice the limit: to cut at each line would copy all of it each time.
    if (this.#text.length > 2 * KEPT) this.#text = this.#text.slice(-KEPT)
    this.#onLine(line)
  }
}
