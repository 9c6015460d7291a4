import type { SystemMemory } from '../../sys/system-memory.ts'
import type { GuestMemory } from './guest-memory.ts'
import { VirtqueueError } from './virtqueue-error.ts'

/** Most entries of a ring, and most descriptors of a chain: more than any driver has (QEMU's VIRTQUEUE_MAX_SIZE). */
export const QUEUE_SIZE_MAX = 1024

/** Flags of the available ring: the driver wants no interrupts (virtio 1.3, 2.7.6). */
const AVAIL_NO_INTERRUPT = 1
/** Flags of the used ring: the device wants no notifications (2.7.8). */
const USED_NO_NOTIFY = 1

/** Where a queue's three parts lie, as the frontend has mapped them, and how many entries it has. */
export interface RingAddresses {
  /** A power of two, at most {@link QUEUE_SIZE_MAX}. */
  readonly size: number
  readonly descriptors: number
  readonly available: number
  readonly used: number
}

/**
 * The device's side of a split virtqueue (virtio 1.3, 2.7): which chains the driver has made available,
 * which it has back, and who wants to be woken. All of it lies in memory that the driver writes to at any
 * time, so each number is read once.
 *
 * The indices are read and written with Atomics, which order them against all that lies around them; the
 * rest of a ring belongs to one side at a time.
 */
export class Virtqueue {
  readonly size: number
  /** The descriptor table: in `memory` at `offset` (2.7.5). */
  readonly table: { readonly memory: SystemMemory; readonly offset: number }
  /** flags, idx, ring[size], used_event (2.7.6). */
  readonly #available: Uint16Array<ArrayBuffer>
  /** flags, idx, then the elements as halves of words, and avail_event (2.7.8). */
  readonly #used: Uint16Array<ArrayBuffer>
  /** The elements: id and length of each. */
  readonly #elements: Uint32Array<ArrayBuffer>
  readonly #eventIndex: boolean
  /** Index of the next available chain, modulo 2^16. */
  #next: number
  /** Index of the next used element, modulo 2^16. */
  #done: number
  /** What that was when the driver was last woken, or when it was decided that it need not be. */
  #signalled: number

  /**
   * @param next where to go on in the available ring (SET_VRING_BASE).
   * @param eventIndex whether VIRTIO_F_EVENT_IDX was negotiated.
   * @throws VirtqueueError for a ring that is no ring, or lies outside of the guest's memory.
   */
  constructor(memory: GuestMemory, addresses: RingAddresses, next: number, eventIndex: boolean) {
    const { size } = addresses
    if (size < 1 || size > QUEUE_SIZE_MAX || (size & (size - 1)) !== 0) {
      throw new VirtqueueError(`a queue of ${size} entries`)
    }
    const find = (what: string, address: number, bytes: number, alignment: number): Place => {
      const room = memory.locateUser(address)
      const { memory: found, offset } = memory
      if (room < bytes) throw new VirtqueueError(`${what} is outside of the guest's memory`)
      if (offset % alignment !== 0) throw new VirtqueueError(`${what} is not aligned`)
      return { memory: found, offset }
    }
    this.size = size
    this.table = find('the descriptor table', addresses.descriptors, 16 * size, 16)
    const available = find('the available ring', addresses.available, 6 + 2 * size, 2)
    const used = find('the used ring', addresses.used, 6 + 8 * size, 4)
    this.#available = new Uint16Array(bufferOf(available), available.offset, 3 + size)
    this.#used = new Uint16Array(bufferOf(used), used.offset, 3 + 4 * size)
    this.#elements = new Uint32Array(bufferOf(used), used.offset + 4, 2 * size)
    this.#eventIndex = eventIndex
    this.#next = next
    // The ring itself says how far it is: also after somebody else has served it.
    this.#done = Atomics.load(this.#used, 1)
    this.#signalled = this.#done
  }

  /** Where the next chain will be in the available ring: what GET_VRING_BASE asks for. */
  get next(): number {
    return this.#next
  }

  /** Where the next chain will go in the used ring: how many the driver has back, modulo 2^16. */
  get done(): number {
    return this.#done
  }

  /** Whether a chain is available. It costs next to nothing: nothing of the ring is believed yet. */
  get hasWork(): boolean {
    return Atomics.load(this.#available, 1) !== this.#next
  }

  /**
   * The head of the next available chain, or -1 when there is none.
   *
   * @throws VirtqueueError for more chains than the ring has room for, or a head outside of the table.
   */
  take(): number {
    const waiting = (Atomics.load(this.#available, 1) - this.#next) & 0xffff
    if (waiting === 0) return -1
    if (waiting > this.size) {
      throw new VirtqueueError(`${waiting} chains at once in a queue of ${this.size}`)
    }
    const head = this.#available[2 + (this.#next & (this.size - 1))] as number
    if (head >= this.size) {
      throw new VirtqueueError(`a chain that begins at ${head} in a table of ${this.size}`)
    }
    this.#next = (this.#next + 1) & 0xffff
    return head
  }

  /** Gives a chain back, of which `written` bytes were filled. See {@link mustSignal}. */
  give(head: number, written: number): void {
    const at = 2 * (this.#done & (this.size - 1))
    this.#elements[at] = head
    this.#elements[at + 1] = written
    this.#done = (this.#done + 1) & 0xffff
    Atomics.store(this.#used, 1, this.#done)
  }

  /** Whether the driver has to be woken for what it was given since this was asked last (2.7.7). */
  mustSignal(): boolean {
    const before = this.#signalled
    this.#signalled = this.#done
    if (before === this.#done) return false
    if (!this.#eventIndex) return (Atomics.load(this.#available, 0) & AVAIL_NO_INTERRUPT) === 0
    const event = Atomics.load(this.#available, 2 + this.size)
    return ((this.#done - event - 1) & 0xffff) < ((this.#done - before) & 0xffff)
  }

  /**
   * Asks the driver to say when there is something (2.7.10).
   *
   * @returns whether there is something already: then it may not say so.
   */
  listen(): boolean {
    if (this.#eventIndex) Atomics.store(this.#used, 2 + 4 * this.size, this.#next)
    else Atomics.store(this.#used, 0, 0)
    return this.hasWork
  }

  /**
   * Tells the driver that this side looks by itself. With event indices there is nothing to do: the one
   * that {@link listen} has named is in the past as soon as it has come true.
   */
  stopListening(): void {
    if (!this.#eventIndex) Atomics.store(this.#used, 0, USED_NO_NOTIFY)
  }
}

interface Place {
  readonly memory: SystemMemory
  readonly offset: number
}

function bufferOf({ memory }: Place): ArrayBuffer {
  return memory.view.buffer as ArrayBuffer
}
