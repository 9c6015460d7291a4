import { randomBytes } from 'node:crypto'

/** How a command ended, as its slot reports it. */
export interface Ending {
  /** The exit status as a shell gives it: 128 + n for signal n. */
  readonly status: number
  /** Whether processes of the command live on, with its pipes. */
  readonly left: boolean
}

/** The content of a piece of a stream. */
export interface Scanned {
  /** The command's output. */
  readonly output: Uint8Array
  /** Set where the command has ended behind the output. The rest of the piece is dropped. */
  readonly ending?: Ending
}

/** The most bytes behind the word: a status, the id of a process, and the spaces. */
const LINE = 32

/**
 * A word that marks the end of a command on its output. It is random: a command cannot guess it. It begins with a
 * control character that output hardly ends with: the scanner holds back bytes that may be the word's beginning.
 */
export function endingWord(): string {
  return `\u001e${randomBytes(16).toString('hex')}`
}

/** Finds the end of a command in a stream: the word, the exit status, the id of a process that is left, a newline. */
export class EndingScanner {
  readonly #word: Buffer
  #held: Buffer

  /** @param held the bytes that the scanner of the saved guest has held back. */
  constructor(word: string, held = Buffer.alloc(0)) {
    this.#word = Buffer.from(word)
    this.#held = held
  }

  /** Bytes that may be the beginning of an end. */
  get held(): Buffer {
    return this.#held
  }

  /** @param bytes the next piece, valid during the call. The output may be a part of the same memory. */
  scan(bytes: Uint8Array): Scanned {
    const piece = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const all = this.#held.length > 0 ? Buffer.concat([this.#held, piece]) : piece
    this.#held = Buffer.alloc(0)
    const at = all.indexOf(this.#word)
    if (at < 0) {
      const start = all.length - beginningAtEnd(all, this.#word)
      this.#held = Buffer.from(all.subarray(start))
      return { output: all.subarray(0, start) }
    }
    const behind = all.subarray(at + this.#word.length)
    const newline = behind.indexOf('\n')
    if (newline < 0 && behind.length < LINE) {
      this.#held = Buffer.from(all.subarray(at))
      return { output: all.subarray(0, at) }
    }
    const line = /^ (\d{1,3}) (\d*)$/.exec(behind.toString('latin1', 0, Math.max(newline, 0)))
    if (line === null) return { output: all }
    const ending = { status: Number(line[1]) & 0xff, left: line[2] !== '' }
    return { output: all.subarray(0, at), ending }
  }
}

/** How many bytes at the end of `all` might be the beginning of `word`. */
function beginningAtEnd(all: Buffer, word: Buffer): number {
  for (let length = Math.min(all.length, word.length - 1); length > 0; length--) {
    if (all.subarray(-length).equals(word.subarray(0, length))) return length
  }
  return 0
}
