import type { GuestHeap } from './guest-heap.ts'
import { type GuestRam, PAGE } from './guest-ram.ts'

/** Flags of descriptors (virtio 1.3, 2.7.5). */
export const NEXT = 1
export const WRITE = 2
export const INDIRECT = 4

/** One descriptor of a table, whatever it says. */
export interface Descriptor {
  readonly address: number | bigint
  readonly length: number
  readonly flags: number
  readonly next?: number
}

/** A part of a chain: bytes for the device to read, or to write. */
export interface Part {
  readonly address: number
  readonly length: number
  readonly isWritable: boolean
}

export interface QueueOptions {
  readonly size: number
  readonly eventIndex: boolean
  readonly indirect: boolean
  /** Where both indices begin: as after so many requests. */
  readonly start: number
  /** Guest addresses of the three parts, where it matters. */
  readonly places?: Readonly<Record<'descriptors' | 'available' | 'used', number>>
}

export interface Used {
  readonly head: number
  readonly length: number
}

/**
 * The driver's side of a split virtqueue (virtio 1.3, 2.7), after drivers/virtio/virtio_ring.c of Linux. What
 * a driver that means no harm does is methods; one that does writes into the rings as it likes.
 */
export class DriverQueue {
  readonly size: number
  /** Guest addresses of the three parts. */
  readonly descriptors: number
  readonly available: number
  readonly used: number
  readonly #ram: GuestRam
  readonly #heap: GuestHeap
  readonly #eventIndex: boolean
  readonly #indirect: boolean
  readonly #availableRing: Uint16Array
  readonly #usedRing: Uint16Array
  /** Descriptors that are in no chain. */
  #free: number[] = []
  /** The descriptors of each chain that the device has, and its indirect table. */
  readonly #chains = new Map<number, { indices: number[]; table: number | undefined }>()
  /** The available index as it was when the device was notified last, or need not be. */
  #told: number
  /** Index of the next used element that is looked at. */
  #seen: number

  constructor(
    ram: GuestRam,
    heap: GuestHeap,
    { size, eventIndex, indirect, start, places }: QueueOptions,
  ) {
    this.size = size
    this.#ram = ram
    this.#heap = heap
    this.#eventIndex = eventIndex
    this.#indirect = indirect
    this.descriptors = places?.descriptors ?? heap.need(16 * size, 0)
    // Not at the beginning of a page, and aligned no more than they must be.
    this.available = places?.available ?? heap.need(6 + 2 * size, 2 * 5)
    this.used = places?.used ?? heap.need(6 + 8 * size, 4 * 7)
    const ring = (address: number, words: number): Uint16Array => {
      const { memory, offset } = ram.at(address, words * 2)
      return new Uint16Array(memory.view.buffer, offset, words).fill(0)
    }
    this.#availableRing = ring(this.available, 3 + size)
    this.#usedRing = ring(this.used, 3 + 4 * size)
    this.#availableRing[1] = start
    this.#usedRing[1] = start
    if (eventIndex) this.#availableRing[2 + size] = start
    this.#told = start
    this.#seen = start
    this.#free = Array.from({ length: size }, (_, i) => i)
  }

  /** How many chains the device has. */
  get underWay(): number {
    return this.#chains.size
  }

  /** flags, idx, ring[size], used_event. */
  get availableWords(): Uint16Array {
    return this.#availableRing
  }
  /** flags, idx, the elements as halves of words, avail_event. */
  get usedWords(): Uint16Array {
    return this.#usedRing
  }

  /** What GET_VRING_BASE would be told of by a device that has taken all there is. */
  get index(): number {
    return this.#availableRing[1]!
  }

  /** Writes a descriptor into a table: the queue's own, or an indirect one. */
  describe(table: number, index: number, { address, length, flags, next = 0 }: Descriptor): void {
    const view = this.#ram.view(table + 16 * index, 16)
    view.setBigUint64(0, BigInt(address), true)
    view.setUint32(8, length, true)
    view.setUint16(12, flags, true)
    view.setUint16(14, next, true)
  }

  /** Makes the chain that begins at `head` available, whatever is there. */
  offer(head: number): void {
    const ring = this.#availableRing
    const index = ring[1]!
    ring[2 + (index & (this.size - 1))] = head
    Atomics.store(ring, 1, (index + 1) & 0xffff)
  }

  /**
   * Makes a chain of `parts` available.
   *
   * @param isHidden leaves it out of the available ring: {@link offer} is to be called.
   * @returns its head; undefined where the queue is full.
   */
  add(parts: readonly Part[], isHidden = false): number | undefined {
    const isIndirect = this.#indirect && parts.length > 1
    const count = isIndirect ? 1 : parts.length
    if (count > this.size) throw new Error(`${count} descriptors for a queue of ${this.size}`)
    if (this.#free.length < count) return undefined
    let table: number | undefined
    if (isIndirect) {
      // kmalloc(9) aligns to 16 bytes at least.
      table = this.#heap.take(16 * parts.length, 16 * parts.length <= PAGE / 2 ? 48 : 0)
      if (table === undefined) return undefined
    }
    const indices = this.#free.splice(-count).toReversed()
    const head = indices[0]!
    const slots = isIndirect ? parts.map((_, i) => i) : indices
    for (const [i, { address, length, isWritable }] of parts.entries()) {
      const next = slots[i + 1]
      const flags = (isWritable ? WRITE : 0) | (next === undefined ? 0 : NEXT)
      const descriptor = { address, length, flags, next: next ?? 0xdead }
      this.describe(table ?? this.descriptors, slots[i]!, descriptor)
    }
    if (table !== undefined) {
      const length = 16 * parts.length
      this.describe(this.descriptors, head, { address: table, length, flags: INDIRECT })
    }
    this.#chains.set(head, { indices, table })
    if (!isHidden) this.offer(head)
    return head
  }

  /** Whether the device wants to be notified of what was added since this was asked last (2.7.10). */
  mustKick(): boolean {
    const index = this.#availableRing[1]!
    const before = this.#told
    this.#told = index
    if (index === before) return false
    if (!this.#eventIndex) return (Atomics.load(this.#usedRing, 0) & 1) === 0
    const event = Atomics.load(this.#usedRing, 2 + 4 * this.size)
    return ((index - event - 1) & 0xffff) < ((index - before) & 0xffff)
  }

  /** The next chain that the device has given back; its descriptors are free again. */
  take(): Used | undefined {
    const index = Atomics.load(this.#usedRing, 1)
    if (index === this.#seen) return undefined
    const view = this.#ram.view(this.used + 4 + 8 * (this.#seen & (this.size - 1)), 8)
    const [head, length] = [view.getUint32(0, true), view.getUint32(4, true)]
    const chain = this.#chains.get(head)
    if (chain === undefined) throw new Error(`the device gave back ${head}, which it does not have`)
    this.#chains.delete(head)
    this.#free.push(...chain.indices)
    if (chain.table !== undefined) this.#heap.free(chain.table)
    this.#seen = (this.#seen + 1) & 0xffff
    return { head, length }
  }

  /**
   * Asks the device to say when it gives back another one (2.7.7).
   *
   * @param after how many it may give back before.
   * @returns whether there is one already, of which it may not say anything.
   */
  listen(after = 0): boolean {
    const ring = this.#availableRing
    if (this.#eventIndex) Atomics.store(ring, 2 + this.size, (this.#seen + after) & 0xffff)
    else Atomics.store(ring, 0, 0)
    return Atomics.load(this.#usedRing, 1) !== this.#seen
  }

  /** Asks the device to say nothing. */
  stopListening(): void {
    if (this.#eventIndex) this.listen(-1)
    else Atomics.store(this.#availableRing, 0, 1)
  }
}
