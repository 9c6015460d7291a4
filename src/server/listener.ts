import { ErrnoError, errno } from '../sys/errno.ts'
import { createEventfd } from '../sys/eventfd.ts'
import { discard } from '../sys/files.ts'
import { accept } from '../sys/sockets.ts'
import type { Watched } from '../transport/event-loop.ts'
import { messageOf } from '../util/error.ts'

/** How many connections are accepted before the others have their turn. */
const TURNS = 16

const outOfDescriptors: ReadonlySet<number> = new Set([errno.EMFILE, errno.ENFILE])

/** Accepts the connections of a listening socket. Its creator still owns the socket. */
export class Listener implements Watched {
  readonly fd: number
  readonly waitsFor = 'read'
  readonly #onAccept: (fd: number) => void
  readonly #log: (line: string) => void
  /** A descriptor that is closed when there is no other left, see {@link Listener.#refuse}. */
  #spare = -1

  /** @param onAccept gets each connection's descriptor, and owns it unless it throws. */
  constructor(fd: number, onAccept: (fd: number) => void, log: (line: string) => void) {
    this.fd = fd
    this.#onAccept = onAccept
    this.#log = log
    this.#spare = createEventfd()
  }

  ready(): void {
    try {
      if (this.#spare < 0) this.#spare = createEventfd()
      for (let turn = 0; turn < TURNS; turn++) {
        const fd = accept(this.fd)
        if (fd < 0) return
        this.#taken(fd)
      }
    } catch (error) {
      // No descriptor is left, the client has gone again, or its session cannot be resumed. The others are
      // served on.
      if (error instanceof ErrnoError && outOfDescriptors.has(error.errno)) this.#refuse()
      this.#log(`a connection could not be accepted: ${messageOf(error)}`)
    }
  }

  #taken(fd: number): void {
    try {
      this.#onAccept(fd)
    } catch (error) {
      discard(fd)
      throw error
    }
  }

  /** Accepts and closes a connection that cannot be served: as long as it waits, the loop would not sleep. */
  #refuse(): void {
    if (this.#spare >= 0) discard(this.#spare)
    this.#spare = -1
    try {
      const fd = accept(this.fd)
      if (fd >= 0) discard(fd)
      this.#spare = createEventfd()
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error
      // Something else has taken the descriptor that was closed here. The next round tries again.
    }
  }

  close(): void {
    if (this.#spare >= 0) discard(this.#spare)
  }
}
