import { closeSync, openSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { APPEND } from '../util/no-follow.ts'

/** How much of a long list of lines is left out, between its beginning and its end. */
export interface LeftOut {
  readonly lines: number
  readonly bytes: number
}

/** The files of {@link BothEnds}, in the order in which their lines were written. */
export interface EndFiles {
  /** The beginning, which is all of it where the list is short. */
  readonly first: string
  /** The end: the part before the newest one. It is missing until there has been more than one part. */
  readonly older: string
  /** The end: the newest part. */
  readonly newest: string
}

/** The limits of {@link BothEnds}, in bytes. One line more may be written. */
export interface EndLimits {
  readonly first: number
  /** Of each of the two parts of the end: the end that is kept has between one and two times as many bytes. */
  readonly part: number
}

/**
 * Writes lines to files, the beginning and the end of them, however many there are. Each line is in its file when
 * {@link add} returns, so that it is there when the process is killed, and no byte is written twice.
 *
 * The end is kept in two files. When the newest part is full, it takes the place of the older one, and the next part begins
 * with a line that says how much is left out.
 */
export class BothEnds implements Disposable {
  readonly #folder: string
  readonly #files: EndFiles
  readonly #limits: EndLimits
  readonly #describe: (leftOut: LeftOut) => string
  #descriptor: number | undefined
  /** The bytes of the file that is written now. */
  #size = 0
  #isEnd = false
  /** What the parts of the end had before the newest one. */
  #before: LeftOut = { lines: 0, bytes: 0 }
  /** The lines of the newest part, without the one that says what is left out. */
  #part: LeftOut = { lines: 0, bytes: 0 }

  /** @param describe makes the line, without its end, that says what is left out. */
  constructor(
    folder: string,
    files: EndFiles,
    limits: EndLimits,
    describe: (leftOut: LeftOut) => string,
  ) {
    this.#folder = folder
    this.#files = files
    this.#limits = limits
    this.#describe = describe
  }

  /** Writes a line. @param line without its end. @throws the error of open(2), rename(2) or write(2), such as ENOSPC. */
  add(line: string): void {
    const bytes = Buffer.from(`${line}\n`)
    const limit = this.#isEnd ? this.#limits.part : this.#limits.first
    if (this.#size > 0 && this.#size + bytes.length > limit) this.#next()
    this.#write(bytes)
    if (this.#isEnd) this.#part = plus(this.#part, { lines: 1, bytes: bytes.length })
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }

  #next(): void {
    this[Symbol.dispose]()
    this.#size = 0
    if (!this.#isEnd) {
      this.#isEnd = true
      return
    }
    renameSync(join(this.#folder, this.#files.newest), join(this.#folder, this.#files.older))
    this.#before = plus(this.#before, this.#part)
    this.#part = { lines: 0, bytes: 0 }
    this.#write(Buffer.from(`${this.#describe(this.#before)}\n`))
  }

  #write(bytes: Buffer): void {
    const { first, newest } = this.#files
    this.#descriptor ??= openSync(join(this.#folder, this.#isEnd ? newest : first), APPEND)
    for (let written = 0; written < bytes.length;) {
      written += writeSync(this.#descriptor, bytes, written)
    }
    this.#size += bytes.length
  }
}

function plus(one: LeftOut, other: LeftOut): LeftOut {
  return { lines: one.lines + other.lines, bytes: one.bytes + other.bytes }
}
