import { EventEmitter } from 'node:events'
import type { Readable } from 'node:stream'

/** How much of a console is kept, in characters: hours of a kernel and a systemd that say much. */
const KEPT = 4 << 20

/** Longest line in characters: a guest may print one that never ends. */
const LINE = 64 * 1024

/** How much of the end is looked at for a tail: enough for a panic with its trace. */
const TAIL = 64 * 1024

/** What the guest's kernel, its init and whoever has its console print; of more than is kept, the end. */
export class Console extends EventEmitter<{ text: []; chunk: [string]; end: [] }> {
  #text = ''
  #line = ''
  readonly #onLine: (line: string) => void

  /**
   * Emits `text` for each piece that comes, also when it is no whole line, as a prompt is, and `chunk` with what came,
   * as a terminal wants it.
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
    // Not for each line: what is kept would be copied each time.
    if (this.#text.length > 2 * KEPT) this.#text = this.#text.slice(-KEPT)
    this.#onLine(line)
  }
}
