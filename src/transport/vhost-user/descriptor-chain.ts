import type { SystemMemory } from '../../sys/system-memory.ts'
import type { GuestMemory } from './guest-memory.ts'
import type { Segments } from './iovecs.ts'
import { VirtqueueError } from './virtqueue-error.ts'
import { QUEUE_SIZE_MAX, type Virtqueue } from './virtqueue.ts'

/** addr[8] len[4] flags[2] next[2] (virtio 1.3, 2.7.5). */
const DESCRIPTOR_BYTES = 16
const LENGTH = 8
const FLAGS = 12
const NEXT = 14

const FLAG_NEXT = 1
const FLAG_WRITE = 2
const FLAG_INDIRECT = 4

/**
 * Follows the chain that begins at `head`: what the device may read goes to `readable`, what it may write
 * to `writable` (virtio 1.3, 2.7.5 and 2.7.5.3 for indirect tables).
 *
 * @param indirect whether VIRTIO_F_INDIRECT_DESC was negotiated.
 * @throws VirtqueueError for a chain that no driver makes.
 */
export function readChain(
  queue: Virtqueue,
  head: number,
  guest: GuestMemory,
  indirect: boolean,
  readable: Segments,
  writable: Segments,
): void {
  let { memory, offset }: { memory: SystemMemory; offset: number } = queue.table
  let entries = queue.size
  let index = head
  let isNested = false
  // Also a chain that leads back into itself ends here.
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
      if (guest.locate(address) < length) {
        throw new VirtqueueError("an indirect table outside of the guest's memory")
      }
      ;({ memory, offset } = guest)
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
