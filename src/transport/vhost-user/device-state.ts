import { readSync, writeSync } from 'node:fs'
import { O_NONBLOCK } from '../../sys/constants.ts'
import { discard, setStatusFlags } from '../../sys/files.ts'
import { isSystemError } from '../../util/error.ts'
import type { EventLoop, Watched } from '../event-loop.ts'

/** The longest state that is taken, in bytes. One of 100,000 files has 10 MB. */
const STATE_BYTES_MAX = 256 << 20

const PIECE = 1 << 16

/**
 * A state on its way to or from the front end, through a descriptor that it has sent (vhost-user.rst, "Migrating back-end
 * state"). The other end may be slow, so the loop watches the descriptor.
 */
export interface Transfer extends Watched {
  /**
   * Ends the transfer: the front end has sent or received everything.
   *
   * @returns the state for one that was received, undefined for one that was sent. @throws Error where a part is missing.
   */
  finish(): Buffer | undefined
}

/** Sends a state, and closes the descriptor behind it. */
export class SentState implements Transfer {
  readonly fd: number
  readonly waitsFor = 'write'
  readonly #loop: EventLoop
  #left: Buffer

  /** @param fd is owned from now on. */
  constructor(fd: number, state: Buffer, loop: EventLoop) {
    setStatusFlags(fd, O_NONBLOCK)
    this.fd = fd
    this.#left = state
    this.#loop = loop
    loop.add(this)
  }

  ready(): void {
    try {
      while (this.#left.length > 0) this.#left = this.#left.subarray(writeSync(this.fd, this.#left))
    } catch (error) {
      if (isSystemError(error, 'EAGAIN')) return
      // The front end has closed its end. It hears so when it asks.
      if (!isSystemError(error)) throw error
    }
    this.#loop.remove(this)
  }

  finish(): undefined {
    this.#loop.remove(this)
    if (this.#left.length > 0)
      throw new Error(`${this.#left.length} bytes of the state were not taken`)
  }

  close(): void {
    discard(this.fd)
  }
}

/** Receives a state until the front end closes its end. */
export class ReceivedState implements Transfer {
  readonly fd: number
  readonly waitsFor = 'read'
  readonly #loop: EventLoop
  readonly #pieces: Buffer[] = []
  #length = 0
  #isComplete = false

  /** @param fd is owned from now on. */
  constructor(fd: number, loop: EventLoop) {
    setStatusFlags(fd, O_NONBLOCK)
    this.fd = fd
    this.#loop = loop
    loop.add(this)
  }

  ready(): void {
    this.#read()
    if (this.#isComplete) this.#loop.remove(this)
  }

  finish(): Buffer {
    if (!this.#isComplete) this.#read()
    this.#loop.remove(this)
    if (!this.#isComplete) throw new Error('the frontend has not sent all of the state')
    return Buffer.concat(this.#pieces)
  }

  close(): void {
    discard(this.fd)
  }

  #read(): void {
    try {
      while (!this.#isComplete) {
        const piece = Buffer.allocUnsafe(PIECE)
        const length = readSync(this.fd, piece)
        if (length === 0) this.#isComplete = true
        this.#length += length
        if (this.#length > STATE_BYTES_MAX) throw new Error('a state that is too long')
        this.#pieces.push(piece.subarray(0, length))
      }
    } catch (error) {
      if (!isSystemError(error, 'EAGAIN')) throw error
    }
  }
}
