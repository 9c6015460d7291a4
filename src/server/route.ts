import { ErrnoError, errno } from '../sys/errno.ts'
import { sendWithDescriptors } from '../sys/descriptor-passing.ts'
import { discard } from '../sys/files.ts'
import { receive } from '../sys/sockets.ts'
import { systemMemory } from '../sys/system-memory.ts'
import type { EventLoop, Readiness, Watched } from '../transport/event-loop.ts'
import { PASSED_BYTES_MAX, type PassedClient, writePassed } from './passed-client.ts'

/** Messages are written here, one after the other, for all routes. */
const memory = systemMemory(PASSED_BYTES_MAX)

/** What sendmsg(2) says where nobody can receive any more. */
const endErrors: ReadonlySet<number> = new Set([errno.EPIPE, errno.ECONNRESET])

/** A client that is to be passed on, with its socket. */
interface Waiting {
  readonly fd: number
  readonly client: PassedClient
}

/** The way to the process of one export. It passes clients on, and keeps those for which the process has no time yet. */
export class Route implements Watched {
  readonly fd: number
  /** The name of the export, for the log. */
  readonly label: string
  readonly #loop: EventLoop
  readonly #most: number
  readonly #onLost: (client: PassedClient, why: string) => void
  readonly #waiting: Waiting[] = []
  #isGone = false

  /**
   * @param fd a socket to the process (SOCK_SEQPACKET). This owns it.
   * @param label see {@link Route.label}.
   * @param most how many clients may wait at the same time.
   * @param onLost is called for a client that could not be passed on, after its connection was closed.
   */
  constructor(
    fd: number,
    label: string,
    loop: EventLoop,
    most: number,
    onLost: (client: PassedClient, why: string) => void,
  ) {
    this.fd = fd
    this.label = label
    this.#loop = loop
    this.#most = most
    this.#onLost = onLost
  }

  /** Whether the process has ended. */
  get isGone(): boolean {
    return this.#isGone
  }

  /** The process sends nothing, so the socket becomes readable at its end. */
  get waitsFor(): Readiness {
    if (this.#isGone) return 'nothing'
    return this.#waiting.length > 0 ? 'both' : 'read'
  }

  /** Passes a client on, now or when the process takes it. `fd`, the client's socket, belongs to this route from now on. */
  pass(fd: number, client: PassedClient): void {
    this.#waiting.push({ fd, client })
    if (this.#waiting.length > this.#most)
      this.#lose(this.#waiting.splice(-1), 'too many wait for it')
    this.#send()
    this.#loop.changed(this)
  }

  ready(): void {
    this.#send()
    if (this.#isGone) return
    try {
      if (receive(this.fd, memory.address, 1) >= 0) this.#end()
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error
      this.#end()
    }
  }

  close(): void {
    this.#lose(this.#waiting.splice(0), 'the server ends')
    discard(this.fd)
  }

  #send(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const { fd, client } = first
      try {
        const length = writePassed(memory, client)
        if (sendWithDescriptors(this.fd, memory.address, length, [fd]) < 0) return
        this.#waiting.shift()
        discard(fd)
      } catch (error) {
        if (!(error instanceof ErrnoError)) throw error
        if (endErrors.has(error.errno)) this.#end()
        else this.#lose(this.#waiting.splice(0, 1), error.message)
      }
    }
  }

  #end(): void {
    this.#isGone = true
    this.#lose(this.#waiting.splice(0), 'its process has ended')
  }

  #lose(lost: readonly Waiting[], why: string): void {
    for (const { fd, client } of lost) {
      discard(fd)
      this.#onLost(client, why)
    }
  }
}
