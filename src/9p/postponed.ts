import type { Message } from './wire/codec.ts'
import type { MessageName, T } from './wire/messages.ts'
import type { ReplyPlace } from './reply-place.ts'

/** A request that was read and not carried out. */
export interface Postponed {
  readonly tag: number
  readonly message: Message
  readonly request: T<MessageName>
  readonly place: ReplyPlace
  readonly frame: Buffer
}

/**
 * What waits while replies cannot leave: requests for as many bytes as there are, and those that give a fid back,
 * since they must not overtake the former. Their frames have 23 bytes at most. Everything else is carried out at
 * once: its reply has {@link REPLY_BYTES} at most, and a Twrite would take as much memory as it brings.
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
 * Requests of a client that does not take its replies, in the order of asking. Whoever stops reading from such a client
 * may wait for ever: QEMU's user network writes to a `guestfwd` without doing anything else meanwhile, such as taking
 * replies (libslirp's slirp_send; chardev/char.c, qemu_chr_write_buffer). There are no more of them than tags.
 */
export class PostponedRequests {
  readonly #byTag = new Map<number, Postponed>()
  /** Stands behind those that were taken out, and sees what is added: it has never come to an end where there are any. */
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

  /** The frames of all of them. */
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

  /** The one with this tag is not to be answered. */
  forget(tag: number): void {
    const postponed = this.#byTag.get(tag)
    if (this.#byTag.delete(tag)) postponed?.place.forget()
  }

  clear(): void {
    for (const tag of this.#byTag.keys()) this.forget(tag)
  }
}
