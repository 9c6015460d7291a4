import { ErrnoError, errno } from '../../sys/errno.ts'
import type { SyntheticFile } from '../../tree/synthetic/entry.ts'
import { ByteCollector } from '../../util/byte-collector.ts'

/** The most bytes of one answer (64 MiB): the changes of a guest that has written half a million files. */
const ANSWER_BYTES = 64 << 20

/**
 * A file that takes the output of one script of the agent. It is opened once, for as long as the script
 * prints.
 */
export class Answer {
  readonly file: SyntheticFile = { kind: 'file', mode: 0o200, open: () => this.#open() }
  /** Resolves when the guest has closed the file. Rejects when {@link fail} is called, or the answer is too long. */
  readonly content: Promise<Buffer>
  readonly #script: string
  #bytes: ByteCollector | undefined = new ByteCollector(ANSWER_BYTES)
  #settle!: (content: Buffer) => void
  #reject!: (reason: Error) => void

  /** @param script that is answered, for messages. */
  constructor(script: string) {
    this.#script = script
    this.content = new Promise((resolve, reject) => {
      this.#settle = resolve
      this.#reject = reject
    })
  }

  /** Gives the answer up. What the guest writes from now on is refused. */
  fail(reason: Error): void {
    this.#bytes = undefined
    this.#reject(reason)
  }

  #open(): ReturnType<SyntheticFile['open']> {
    return {
      write: (_offset, bytes) => {
        if (this.#bytes === undefined) throw new ErrnoError(errno.EBADF, 'write')
        if (this.#bytes.add(bytes)) return bytes.length
        this.fail(new Error(`The answer to \`${this.#script}\` is over ${ANSWER_BYTES} bytes.`))
        throw new ErrnoError(errno.EFBIG, 'write')
      },
      close: () => {
        if (this.#bytes !== undefined) this.#settle(this.#bytes.from(0))
        this.#bytes = undefined
      },
    }
  }
}
