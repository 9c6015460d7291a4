import { type GuestMemory, Location } from './guest-memory.ts'

/** The driver has broken the rules of virtio or of its device: the device stops. */
export class VirtqueueError extends Error {
  override readonly name = 'VirtqueueError'
}

/** The most entries of a ring, and the most descriptors of a chain (QEMU's VIRTQUEUE_MAX_SIZE). */
export const QUEUE_SIZE_MAX = 1024

/** A flag of the available ring: the driver wants no notifications (virtio 1.3, 2.7.6). */
const AVAIL_NO_INTERRUPT = 1
/** A flag of the used ring: the device wants no notifications (2.7.8). */
const USED_NO_NOTIFY = 1

/** The addresses of the three parts of a queue in the front end, and the number of entries. */
export interface RingAddresses {
  /** A power of two, at most {@link QUEUE_SIZE_MAX}. */
  readonly size: number
  readonly descriptors: number
  readonly available: number
  readonly used: number
}

/**
 * The device's side of a split virtqueue (virtio 1.3, 2.7): which chains the driver has made available, which
 * were given back, and which side asks for notifications. The driver can write to all of it at any time, so
 * each number is read once.
 *
 * The indices are read and written with Atomics, which order them against the reads and writes around them.
 * The rest of a ring belongs to one side at a time.
 */
export class Virtqueue {
  readonly size: number
  /** The descriptor table: in `memory` at `offset` (2.7.5). */
  readonly table: Readonly<Location>
  /** flags, idx, ring[size], used_event (2.7.6). */
  readonly #available: Uint16Array<ArrayBuffer>
  /** flags, idx, then four halves for each element, and avail_event (2.7.8). */
  readonly #used: Uint16Array<ArrayBuffer>
  /** The elements: id and length of each. */
  readonly #elements: Uint32Array<ArrayBuffer>
  readonly #eventIndex: boolean
  /** Index of the next available chain, modulo 2^16. */
  #next: number
  /** Index of the next used element, modulo 2^16. */
  #done: number
  /** The value of {@link #done} at the last call of {@link mustNotify}. */
  #notified: number

  /**
   * @param next the index in the available ring to go on at (SET_VRING_BASE), 0 to 65,535.
   * @param eventIndex whether VIRTIO_F_EVENT_IDX was negotiated.
   * @throws VirtqueueError for a size that no ring has, and for parts outside of the guest's memory.
   */
  constructor(memory: GuestMemory, addresses: RingAddresses, next: number, eventIndex: boolean) {
    const { size } = addresses
    if (size < 1 || size > QUEUE_SIZE_MAX || (size & (size - 1)) !== 0) {
      throw new VirtqueueError(`a queue of ${size} entries`)
    }
    const find = (what: string, address: number, bytes: number, alignment: number): Location => {
      const found = new Location()
      const room = memory.locateUser(address, found)
      if (room < bytes) throw new VirtqueueError(`${what} is outside of the guest's memory`)
      if (found.offset % alignment !== 0) throw new VirtqueueError(`${what} is not aligned`)
      return found
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
    // The ring itself has this index, also if another backend has served it before.
    this.#done = Atomics.load(this.#used, 1)
    this.#notified = this.#done
  }

  /** The index of the next chain in the available ring, modulo 2^16: the answer to GET_VRING_BASE. */
  get next(): number {
    return this.#next
  }

  /** The index of the next element of the used ring, modulo 2^16: how many chains were given back. */
  get done(): number {
    return this.#done
  }

  /** Whether a chain is available. This is one load, and checks nothing. */
  get hasWork(): boolean {
    return Atomics.load(this.#available, 1) !== this.#next
  }

  /**
   * Takes the next available chain.
   *
   * @returns the index of its first descriptor, or -1 when none is available. @throws VirtqueueError for more
   *   chains than the ring has room for, or a head outside of the table.
   */
  pop(): number {
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

  /** Gives a chain back, with `written` bytes filled. See {@link mustNotify}. */
  addUsed(head: number, written: number): void {
    const at = 2 * (this.#done & (this.size - 1))
    this.#elements[at] = head
    this.#elements[at + 1] = written
    this.#done = (this.#done + 1) & 0xffff
    Atomics.store(this.#used, 1, this.#done)
  }

  /**
   * Whether the driver asks for a notification of the chains that were given back since the last call
   * (2.7.7).
   */
  mustNotify(): boolean {
    const before = this.#notified
    this.#notified = this.#done
    if (before === this.#done) return false
    if (!this.#eventIndex) return (Atomics.load(this.#available, 0) & AVAIL_NO_INTERRUPT) === 0
    const event = Atomics.load(this.#available, 2 + this.size)
    return ((this.#done - event - 1) & 0xffff) < ((this.#done - before) & 0xffff)
  }

  /**
   * Asks the driver to notify when it makes a chain available (2.7.10).
   *
   * @returns whether one is available already. The driver may not notify for that one.
   */
  enableNotifications(): boolean {
    if (this.#eventIndex) Atomics.store(this.#used, 2 + 4 * this.size, this.#next)
    else Atomics.store(this.#used, 0, 0)
    return this.hasWork
  }

  /**
   * Tells the driver that this side polls. With event indices there is nothing to do: once the index that
   * {@link enableNotifications} has named is reached, the driver does not notify any more.
   */
  disableNotifications(): void {
    if (!this.#eventIndex) Atomics.store(this.#used, 0, USED_NO_NOTIFY)
  }
}

function bufferOf({ memory }: Location): ArrayBuffer {
  return memory.view.buffer as ArrayBuffer
}
