import type { Memory } from '../../sys/memory.ts'
import { type GuestMemory, Location } from './guest-memory.ts'
import { Iovecs } from './iovecs.ts'
import { QUEUE_SIZE_MAX, type Virtqueue, VirtqueueError } from './virtqueue.ts'

/** struct virtq_desc: addr[8] len[4] flags[2] next[2] (virtio 1.3, 2.7.5). */
const DESCRIPTOR_BYTES = 16
const LENGTH = 8
const FLAGS = 12
const NEXT = 14

const FLAG_NEXT = 1
const FLAG_WRITE = 2
const FLAG_INDIRECT = 4

/** Serves the requests that come through one chain object. */
export interface ChainServer {
  /**
   * The chain has a request. It has to be answered once, now or later; see {@link Chain.answer}.
   *
   * @throws VirtqueueError or any other error for a request that cannot be answered. The whole device then
   *   stops, as virtio's DEVICE_NEEDS_RESET has it (virtio 1.3, 2.1.2), and the log gets the error's message.
   */
  serve(): void
}

/** What a chain needs of its queue. */
export interface ChainOwner {
  /**
   * The chain is answered, and its queue may use it again.
   *
   * @param length how many of the writable bytes are filled.
   * @param head has the answer's first `headBytes` if they could not be put into the guest's memory. They are valid
   *   during the call.
   */
  answered(chain: Chain, length: number, head: Memory | undefined, headBytes: number): void
}

/**
 * One request of a driver: the bytes that the device may read, and those that it may write. A queue uses its
 * chain objects again for other requests, so that a request allocates nothing.
 */
export class Chain {
  /** The index of its first descriptor. The driver identifies the chain by it. */
  head = 0
  readonly readable = new Iovecs()
  readonly writable = new Iovecs()
  /**
   * Whether its bytes may be used. They may not while its queue is stopped, since the memory may belong to
   * another driver by then.
   */
  isReachable = true
  readonly server: ChainServer
  readonly #owner: ChainOwner
  readonly #indirect = new Location()

  constructor(owner: ChainOwner, serverFor: (chain: Chain) => ChainServer) {
    this.#owner = owner
    this.server = serverFor(this)
  }

  /**
   * Gives the chain back to the driver. The caller must not use it afterwards, because it becomes the next
   * request's.
   *
   * @param length how many of the writable bytes are filled, from the first on.
   * @param head begins with the first `headBytes` of them, if they are not in their place yet. For a chain that is not
   *   {@link isReachable}, these are all of them; they are put in their place when the queue goes on.
   */
  answer(length: number, head?: Memory, headBytes = 0): void {
    if (!this.isReachable) {
      this.#owner.answered(this, length, head, headBytes)
      return
    }
    if (head !== undefined) this.writable.copyFrom(head, 0, headBytes)
    this.#owner.answered(this, length, undefined, 0)
  }

  /**
   * Becomes the chain that begins at `head` in the descriptor table. The bytes that the device may read are
   * then in {@link readable}, those that it may write in {@link writable} (virtio 1.3, 2.7.5, and 2.7.5.3 for
   * indirect tables).
   *
   * @param indirect whether VIRTIO_F_INDIRECT_DESC was negotiated.
   * @throws VirtqueueError for a chain that no correct driver makes.
   */
  read(queue: Virtqueue, head: number, guest: GuestMemory, indirect: boolean): void {
    const { readable, writable } = this
    readable.clear()
    writable.clear()
    this.head = head
    this.isReachable = true
    let { memory, offset } = queue.table
    let entries = queue.size
    let index = head
    let isNested = false
    // This also stops at a chain that leads back into itself.
    for (let left = QUEUE_SIZE_MAX; left > 0; left--) {
      const at = offset + index * DESCRIPTOR_BYTES
      const { view } = memory
      const address = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32
      const length = view.getUint32(at + LENGTH, true)
      const flags = view.getUint16(at + FLAGS, true)
      if ((flags & FLAG_INDIRECT) !== 0) {
        if (!indirect) throw new VirtqueueError('an indirect table, which was not agreed upon')
        if (isNested) throw new VirtqueueError('an indirect table inside an indirect table')
        if ((flags & FLAG_NEXT) !== 0) {
          throw new VirtqueueError('an indirect table in the middle of a chain')
        }
        entries = length / DESCRIPTOR_BYTES
        if (!Number.isInteger(entries) || entries < 1 || entries > QUEUE_SIZE_MAX) {
          throw new VirtqueueError(`an indirect table of ${length} bytes`)
        }
        if (guest.locate(address, this.#indirect) < length) {
          throw new VirtqueueError("an indirect table outside of the guest's memory")
        }
        ;({ memory, offset } = this.#indirect)
        index = 0
        isNested = true
        continue
      }
      if ((flags & FLAG_WRITE) !== 0) writable.add(guest, address, length)
      else {
        if (writable.total > 0) {
          throw new VirtqueueError('a chain in which something to read follows something to write')
        }
        readable.add(guest, address, length)
      }
      if ((flags & FLAG_NEXT) === 0) return
      index = view.getUint16(at + NEXT, true)
      if (index >= entries) {
        throw new VirtqueueError(`a chain that goes on at ${index} in a table of ${entries}`)
      }
    }
    throw new VirtqueueError('a chain without an end')
  }
}
