import type { ReplyPlace } from '../sys/reply-place.ts'
import { type ClientMemory, heapBytes } from '../session/client-memory.ts'
import type { Message } from './wire/codec.ts'
import type { MessageName, T } from './wire/messages.ts'
import { ProtocolError } from '../wire/protocol-error.ts'

/** A request that was read and not yet carried out. */
export interface Postponed {
  readonly tag: number
  readonly message: Message
  readonly request: T<MessageName>
  readonly place: ReplyPlace
  readonly frame: Buffer
}

/**
 * The requests that are postponed while the client takes no replies. Tread, Treaddir and Treadlink are,
 * because their replies are large. Tclunk and Tremove are, because they must not overtake these. All frames
 * of these types have 23 bytes at most.
 *
 * All other requests are carried out at once: their replies have {@link REPLY_BYTES} at most, and to keep a
 * Twrite would take as much memory as its data.
 */
const postponable: ReadonlySet<MessageName> = new Set([
  'read',
  'readdir',
  'readlink',
  'clunk',
  'remove',
])

/** How many requests a client may have postponed before they count as memory that all clients share. */
const UNCOUNTED = 1024

/** The longest other reply: an Rgetlock with a client_id of 255 bytes, rounded up. */
export const REPLY_BYTES = 288

/**
 * The postponed requests of a client, in the order in which they came.
 *
 * The server goes on reading from a client that takes no replies, because otherwise both could wait for each
 * other for ever: QEMU's user network takes no replies from a `guestfwd` before it has written all its data
 * (libslirp's slirp_send; chardev/char.c, qemu_chr_write_buffer). There are at most as many requests as tags.
 */
export class PostponedRequests {
  readonly #byTag = new Map<number, Postponed>()
  readonly #memory: ClientMemory
  /** How many of them count. */
  #counted = 0
  /**
   * The iterator stays behind the requests that were taken out, and reaches those that are added later. Once
   * it has said that it is done, it never yields again. So next() is called only while the map has requests.
   */
  readonly #order = this.#byTag.values()

  /** @param memory what all clients share. */
  constructor(memory: ClientMemory) {
    this.#memory = memory
  }

  /** Whether this request has to wait until replies can leave `place`. */
  concerns({ name }: Message, place: ReplyPlace): boolean {
    return place.isBackedUp && postponable.has(name)
  }

  /** @throws ProtocolError where there is no memory left: neither this request nor those before it can be answered. */
  add(postponed: Postponed): void {
    if (this.#byTag.size >= UNCOUNTED && this.#memory.left < heapBytes.postponed) {
      throw new ProtocolError(
        'TOO_MANY_REQUESTS',
        `${this.#byTag.size} requests wait for a client that takes no replies, and all clients together have no memory left`,
      )
    }
    this.#byTag.set(postponed.tag, postponed)
    this.#count()
  }

  has(tag: number): boolean {
    return this.#byTag.size > 0 && this.#byTag.has(tag)
  }

  /** The frames of all postponed requests, in the order in which they came. */
  get frames(): Buffer[] {
    return [...this.#byTag.values()].map(({ frame }) => frame)
  }

  /** Takes out the oldest request. */
  next(): Postponed | undefined {
    if (this.#byTag.size === 0) return undefined
    const first = this.#order.next().value
    if (first !== undefined) this.#byTag.delete(first.tag)
    this.#count()
    return first
  }

  /** Drops the request with this tag, if there is one: it gets no reply. */
  forget(tag: number): void {
    const postponed = this.#byTag.get(tag)
    if (this.#byTag.delete(tag)) postponed?.place.forget()
    this.#count()
  }

  /** Drops all requests. */
  clear(): void {
    for (const tag of this.#byTag.keys()) this.forget(tag)
  }

  #count(): void {
    const counted = Math.max(0, this.#byTag.size - UNCOUNTED)
    if (counted === this.#counted) return
    this.#memory.count((counted - this.#counted) * heapBytes.postponed)
    this.#counted = counted
  }
}
