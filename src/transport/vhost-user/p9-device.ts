import { type SystemMemory, systemMemory } from '../../sys/system-memory.ts'
import { Session } from '../../9p/session.ts'
import type { SessionLimits } from '../../session/session-limits.ts'
import { frameSize, frameType } from '../../9p/wire/frame.ts'
import { HEADER_BYTES, MSIZE_MIN, WRITE_HEADER_BYTES } from '../../9p/wire/limits.ts'
import { messages } from '../../9p/wire/messages.ts'
import { ProtocolError } from '../../wire/protocol-error.ts'
import type { Exports } from '../../tree/tree.ts'
import type { Chain, ChainServer } from './chain.ts'
import { CONFIG_BYTES_MAX, type Device } from './device.ts'
import { SessionChain } from './session-chain.ts'
import { VirtqueueError } from './virtqueue.ts'

/** The mount tag is in the configuration space (VIRTIO_9P_MOUNT_TAG in Linux's uapi/linux/virtio_9p.h). */
export const MOUNT_TAG = 1n << 0n

/** The longest mount tag in bytes: it has to fit into the configuration space behind its length. */
export const TAG_BYTES_MAX = CONFIG_BYTES_MAX - 2

/** The size of an Rlerror: the shortest answer, which must always have room. */
const ERROR_BYTES = HEADER_BYTES + 4

/** The options of a 9P device. */
export interface P9DeviceOptions {
  readonly exports: Exports
  readonly limits: SessionLimits
  /** The mount tag: at most {@link TAG_BYTES_MAX} bytes of UTF-8. */
  readonly tag: string
  readonly log: (line: string) => void
}

/** A 9P transport device (virtio 1.3, 5.16). It has one queue, which is one {@link Session}. */
export class P9Device implements Device {
  readonly queues = 1
  readonly features = MOUNT_TAG
  readonly config: Uint8Array
  readonly session: Session
  /**
   * For replies whose chain has more than one iovec. All chains share it, since one reply is made at a time.
   */
  readonly scratch: SystemMemory
  /** For requests whose chain has more than one iovec. */
  #gathered: SystemMemory | undefined

  constructor({ exports, limits, tag, log }: P9DeviceOptions) {
    this.config = configSpace(tag)
    this.session = new Session(exports, log, limits)
    this.scratch = systemMemory(limits.msize)
  }

  serverFor(chain: Chain): ChainServer {
    return new P9Chain(this, chain)
  }

  reset(): void {
    this.session.reset()
  }

  /** Memory for one request at a time, of the largest msize. */
  get gathered(): SystemMemory {
    return (this.#gathered ??= systemMemory(this.session.limits.msize))
  }
}

/** Serves the requests of one chain object. */
class P9Chain extends SessionChain<P9Device> {
  protected override receive(): void {
    const { readable, writable } = this.chain
    const { session } = this.device
    const { total } = readable
    if (writable.total < ERROR_BYTES) {
      throw new VirtqueueError(`a request with room for ${writable.total} bytes of an answer`)
    }
    if (total < HEADER_BYTES) {
      throw new ProtocolError('FRAME_TOO_SMALL', `a request of ${total} bytes`)
    }
    const limit = session.msize || MSIZE_MIN
    if (readable.count === 1) {
      const { memory, offset } = readable
      session.receive(memory, offset, wholeFrame(memory, offset, total, limit), this.reply)
      return
    }
    // Linux's writes without a copy have this form: the header, then the pages (p9_virtio_zc_request).
    if (readable.length === WRITE_HEADER_BYTES) {
      const { memory, offset } = readable
      const size = frameSize(memory, offset, offset + total, limit)
      if (size === total && frameType(memory, offset) === messages.write.type) {
        const tail = readable.pieces(WRITE_HEADER_BYTES, total - WRITE_HEADER_BYTES)
        session.receive(memory, offset, size, this.reply, tail)
        return
      }
    }
    if (total > limit) {
      throw new ProtocolError('FRAME_TOO_LARGE', `${total} bytes, above the msize of ${limit}`)
    }
    const { gathered } = this.device
    readable.copyTo(gathered, 0, 0, total)
    session.receive(gathered, 0, wholeFrame(gathered, 0, total, limit), this.reply)
  }
}

/** The frame size of a request of `total` bytes. @throws ProtocolError as frameSize, and for too few bytes. */
function wholeFrame(memory: SystemMemory, start: number, total: number, limit: number): number {
  const size = frameSize(memory, start, start + total, limit)
  if (size > 0) return size
  throw new ProtocolError('TRUNCATED', `size[4] is more than the ${total} bytes of its chain`)
}

/** struct virtio_9p_config (Linux's uapi/linux/virtio_9p.h): tag_len[2] tag[tag_len], zeroes behind it. */
function configSpace(tag: string): Buffer {
  const bytes = Buffer.alloc(CONFIG_BYTES_MAX)
  bytes.writeUInt16LE(bytes.write(tag, 2, TAG_BYTES_MAX, 'utf8'))
  return bytes
}
