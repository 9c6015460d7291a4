import { type SystemMemory, systemMemory } from '../../sys/system-memory.ts'
import { MSIZE_MIN } from '../../9p/wire/limits.ts'
import { type Payload, run } from '../../sys/memory.ts'
import type { ReplyPlace } from '../../sys/reply-place.ts'

/** Replies to small requests are collected up to so many bytes before they are sent. */
const BATCH = 64 * 1024

/** The replies that have to be sent to a stream, in one run, so that they are sent together. */
export class StreamOutbox implements ReplyPlace {
  /** Back pressure: the client takes no more at the moment. The transport sets it. */
  isBackedUp = false
  #memory: SystemMemory = systemMemory(MSIZE_MIN + BATCH)
  #sent = 0
  #end = 0
  /** How many bytes were added under back pressure since the outbox was last empty. */
  #added = 0
  readonly #onCommit: () => void

  /** @param onCommit is called after each reply, for a transport that does not look for replies by itself. */
  constructor(onCommit: () => void = () => {}) {
    this.#onCommit = onCommit
  }

  get memory(): SystemMemory {
    return this.#memory
  }

  /** Where the bytes begin that were not sent yet. */
  get start(): number {
    return this.#sent
  }

  /** How many bytes were not sent yet. */
  get pending(): number {
    return this.#end - this.#sent
  }

  /** The bytes that were not sent yet. */
  get waiting(): Buffer {
    return this.#memory.bytes.subarray(this.#sent, this.#end)
  }

  /** How many of the pending bytes were added under back pressure. */
  get overdue(): number {
    return Math.min(this.#added, this.pending)
  }

  /** Sends the pending bytes of another outbox, before all replies. */
  begin(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.#memory.bytes.set(bytes, this.#end)
    this.#end += bytes.length
  }

  /** Whether a reply of `bytes` fits without more memory. */
  hasRoom(bytes: number): boolean {
    return this.#memory.bytes.length - this.#end >= bytes
  }

  /** The first `bytes` of the pending bytes were sent. */
  left(bytes: number): void {
    this.#sent += bytes
    if (this.#sent === this.#end) this.#sent = this.#end = this.#added = 0
  }

  reserve(bytes: number): Payload {
    if (!this.hasRoom(bytes) || this.#memory.bytes.length < bytes + BATCH) this.#grow(bytes)
    return run(this.#memory, this.#end, bytes)
  }

  payload(headBytes: number, count: number): Payload {
    return run(this.#memory, this.#end + headBytes, count)
  }

  /** Nothing to do: a stream reserves nothing that has to be given back. */
  forget(): void {}

  commit(headBytes: number, payloadBytes: number): void {
    const bytes = headBytes + payloadBytes
    if (this.isBackedUp) this.#added += bytes
    this.#end += bytes
    this.#onCommit()
  }

  /**
   * Rare: after a larger msize was agreed, when many deferred replies come at once, or under back pressure.
   */
  #grow(bytes: number): void {
    const { pending } = this
    const old = this.waiting
    const wanted = pending + bytes + BATCH
    // Doubled, since all bytes are copied each time.
    if (wanted > this.#memory.bytes.length) this.#memory = systemMemory(wanted + pending)
    this.#memory.bytes.set(old)
    this.#sent = 0
    this.#end = pending
  }
}
