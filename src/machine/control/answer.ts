import type { SyntheticFile } from '../../tree/synthetic/entry.ts'

/**
 * A file that takes the output of one script of the agent. It is opened once, for as long as the script
 * prints.
 */
export class Answer {
  readonly file: SyntheticFile = { kind: 'file', mode: 0o200, open: () => this.#open() }
  /** Resolves when the guest has closed the file. Rejects when the machine ends first. */
  readonly content: Promise<Buffer>
  readonly #chunks: Buffer[] = []
  #settle!: (content: Buffer) => void
  #reject!: (reason: Error) => void

  constructor() {
    this.content = new Promise((resolve, reject) => {
      this.#settle = resolve
      this.#reject = reject
    })
  }

  fail(reason: Error): void {
    this.#reject(reason)
  }

  #open(): ReturnType<SyntheticFile['open']> {
    return {
      write: (_offset, bytes) => {
        this.#chunks.push(Buffer.from(bytes))
        return bytes.length
      },
      close: () => this.#settle(Buffer.concat(this.#chunks)),
    }
  }
}
