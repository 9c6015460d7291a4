import { type SystemMemory, systemMemory } from '../../sys/system-memory.ts'
import { MSIZE_MIN } from '../../9p/wire/limits.ts'
import { type Payload, run } from '../../sys/memory.ts'
import type { ReplyPlace } from '../../sys/reply-place.ts'

/** Replies to small requests collect up to this many bytes before they must leave. */
const BATCH = 64 * 1024

/** Replies on their way into a stream, in one piece: what was answered together leaves together. */
export class StreamOutbox implements ReplyPlace {
  /** Whoever sends says so: the other side does not take any more now. */
  isBackedUp = false
  #memory: SystemMemory = systemMemory(MSIZE_MIN + BATCH)
  #sent = 0
  #end = 0
  /** How many bytes were added while it was backed up, since it was empty last. */
  #added = 0
  readonly #onCommit: () => void

  /** @param onCommit called after each frame: for a transport that is not asking by itself. */
  constructor(onCommit: () => void = () => {}) {
    this.#onCommit = onCommit
  }

  get memory(): SystemMemory {
    return this.#memory
  }

  /** Where the bytes begin that have not left yet. */
  get start(): number {
    return this.#sent
  }

  /** How many those are. */
  get pending(): number {
    return this.#end - this.#sent
  }

  /** What has not left yet. */
  get waiting(): Buffer {
    return this.#memory.bytes.subarray(this.#sent, this.#end)
  }

  /** How many of the pending bytes were added while it was backed up. */
  get overdue(): number {
    return Math.min(this.#added, this.pending)
  }

  /** Before all replies of its own it sends these bytes, the rest of another outbox. */
  begin(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.#memory.bytes.set(bytes, this.#end)
    this.#end += bytes.length
  }

  /** Whether a reply of `bytes` fits without more memory. */
  hasRoom(bytes: number): boolean {
    return this.#memory.bytes.length - this.#end >= bytes
  }

  /** `bytes` of the pending ones have left. */
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

  /** A stream has no place that would have to be given back. */
  forget(): void {}

  commit(headBytes: number, payloadBytes: number): void {
    const bytes = headBytes + payloadBytes
    if (this.isBackedUp) this.#added += bytes
    this.#end += bytes
    this.#onCommit()
  }

  /** Rare: a larger msize was agreed, answers that had been waiting came all at once, or it is backed up. */
  #grow(bytes: number): void {
    const { pending } = this
    const old = this.waiting
    const wanted = pending + bytes + BATCH
    // With room for as much again: each time all of it is copied.
    if (wanted > this.#memory.bytes.length) this.#memory = systemMemory(wanted + pending)
    this.#memory.bytes.set(old)
    this.#sent = 0
    this.#end = pending
  }
}
