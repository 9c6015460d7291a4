import type { Readable } from 'node:stream'

/** How much of a console is kept, in characters: enough for a panic with its trace. */
const KEPT = 64 * 1024

/** What the guest's kernel and init print, as far as it is needed to explain a failure. */
export class Console {
  #text = ''
  #line = ''
  readonly #onLine: (line: string) => void

  /** @param onLine gets every line, without its end. */
  constructor(stream: Readable, onLine: (line: string) => void) {
    this.#onLine = onLine
    stream.setEncoding('utf8')
    stream.on('data', (chunk: string) => this.#add(chunk))
    stream.on('end', () => this.#endLine())
  }

  /** The last `count` lines. */
  tail(count: number): string {
    return (this.#text + this.#line).trimEnd().split('\n').slice(-count).join('\n')
  }

  #add(chunk: string): void {
    const [first = '', ...others] = chunk.replaceAll('\r', '').split('\n')
    this.#line += first
    for (const next of others) {
      this.#endLine()
      this.#line = next
    }
    // A guest may print a line that never ends.
    if (this.#line.length > KEPT) this.#endLine()
  }

  #endLine(): void {
    const line = this.#line
    this.#line = ''
    if (line === '') return
    this.#text = `${this.#text}${line}\n`.slice(-KEPT)
    this.#onLine(line)
  }
}
