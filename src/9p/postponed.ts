import type { ReplyPlace } from '../sys/reply-place.ts'
import type { Message } from './wire/codec.ts'
import type { MessageName, T } from './wire/messages.ts'

/** A request that was read and is not carried out yet. */
export interface Postponed {
  readonly tag: number
  readonly message: Message
  readonly request: T<MessageName>
  readonly place: ReplyPlace
  readonly frame: Buffer
}

/**
 * The requests that wait while replies cannot leave: those for as many bytes as there are, and those that give
 * a fid back, since they must not overtake the former. Their frames have 23 bytes at most. All other requests
 * are carried out at once: a reply has {@link REPLY_BYTES} at most, and to keep a Twrite would take as much
 * memory as it brings.
 */
const postponable: ReadonlySet<MessageName> = new Set([
  'read',
  'readdir',
  'readlink',
  'clunk',
  'remove',
])

/** The longest reply to any other request: an Rgetlock with a client_id of 255 bytes, rounded up. */
export const REPLY_BYTES = 288

/**
 * Requests of a client that does not take its replies, in the order of asking. The server goes on reading from such
 * a client, because it could wait for ever otherwise: QEMU's user network writes to a `guestfwd` and takes no replies
 * before all is written (libslirp's slirp_send; chardev/char.c, qemu_chr_write_buffer). There are at most as many
 * requests as tags.
 */
export class PostponedRequests {
  readonly #byTag = new Map<number, Postponed>()
  /**
   * An iterator of the map stands behind the requests that were taken out, and reaches those that are added later.
   * It would stay at its end once it was there, so it is asked only while the map has requests.
   */
  readonly #order = this.#byTag.values()

  /** Whether this request waits until replies can leave `place`. */
  concerns({ name }: Message, place: ReplyPlace): boolean {
    return place.isBackedUp && postponable.has(name)
  }

  add(postponed: Postponed): void {
    this.#byTag.set(postponed.tag, postponed)
  }

  has(tag: number): boolean {
    return this.#byTag.size > 0 && this.#byTag.has(tag)
  }

  /** The frames of all of them, in the order of asking. */
  get frames(): Buffer[] {
    return [...this.#byTag.values()].map(({ frame }) => frame)
  }

  /** Takes out the first one. */
  next(): Postponed | undefined {
    if (this.#byTag.size === 0) return undefined
    const first = this.#order.next().value
    if (first !== undefined) this.#byTag.delete(first.tag)
    return first
  }

  /** Drops the request with this tag, if there is one: it gets no reply. */
  forget(tag: number): void {
    const postponed = this.#byTag.get(tag)
    if (this.#byTag.delete(tag)) postponed?.place.forget()
  }

  /** Drops all of them. */
  clear(): void {
    for (const tag of this.#byTag.keys()) this.forget(tag)
  }
}
