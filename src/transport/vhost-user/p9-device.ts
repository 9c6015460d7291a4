import { type SystemMemory, systemMemory } from '../../sys/system-memory.ts'
import { type Payload, run } from '../../sys/memory.ts'
import type { ReplyPlace } from '../../9p/reply-place.ts'
import { Session } from '../../9p/session.ts'
import type { SessionLimits } from '../../9p/session-limits.ts'
import { Writer } from '../../9p/wire/cursor.ts'
import { frameSize, frameType } from '../../9p/wire/frame.ts'
import { HEADER_BYTES, MSIZE_MIN, READ_OVERHEAD, WRITE_HEADER_BYTES } from '../../9p/wire/limits.ts'
import { messages } from '../../9p/wire/messages.ts'
import { ProtocolError } from '../../9p/wire/protocol-error.ts'
import type { Exports } from '../../tree/tree.ts'
import type { Chain, ChainServer } from './chain.ts'
import { CONFIG_BYTES_MAX, type Device } from './device.ts'
import { VirtqueueError } from './virtqueue.ts'

/** The mount tag is in the configuration space (VIRTIO_9P_MOUNT_TAG in Linux's uapi/linux/virtio_9p.h). */
export const MOUNT_TAG = 1n << 0n

/** Longest mount tag in bytes: as many as fit into the configuration space behind their length. */
export const TAG_BYTES_MAX = CONFIG_BYTES_MAX - 2

/** An Rlerror: the shortest answer that must always find room. */
const ERROR_BYTES = HEADER_BYTES + 4

/** What a 9P device is made with. */
export interface P9DeviceOptions {
  readonly exports: Exports
  readonly limits: SessionLimits
  /** The name by which a guest mounts the device: at most {@link TAG_BYTES_MAX} bytes of UTF-8. */
  readonly tag: string
  readonly log: (line: string) => void
}

/** A 9P transport device (virtio 1.3, 5.16): its one queue is one session of {@link Session}. */
export class P9Device implements Device {
  readonly queues = 1
  readonly features = MOUNT_TAG
  readonly config: Uint8Array
  readonly session: Session
  /** For replies whose chain has more than one iovec; shared by all, since one is made at a time. */
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

  /** Memory for one request at a time, of at most the largest msize. */
  get gathered(): SystemMemory {
    return (this.#gathered ??= systemMemory(this.session.limits.msize))
  }
}

/** A chain as a 9P session sees it: a request frame, and the place for its reply. */
class P9Chain implements ChainServer, ReplyPlace {
  /** The driver leaves room for each reply together with its request, so none waits for room. */
  readonly isBackedUp = false
  readonly #device: P9Device
  readonly #chain: Chain
  readonly #writer: Writer
  /** Where the reply begins in the writer's memory. */
  #start = 0
  /** Whether the writer writes into the guest's memory, and not into the scratch memory. */
  #isInPlace = false

  constructor(device: P9Device, chain: Chain) {
    this.#device = device
    this.#chain = chain
    this.#writer = new Writer(device.scratch)
  }

  serve(): void {
    try {
      this.#receive()
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      throw new VirtqueueError(`protocol error ${error.code}: ${error.message}`)
    }
  }

  /** @throws ProtocolError for what is no request, VirtqueueError for one that cannot be answered. */
  #receive(): void {
    const { readable, writable } = this.#chain
    const { session } = this.#device
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
      session.receive(memory, offset, wholeFrame(memory, offset, total, limit), this)
      return
    }
    // Linux writes without a copy like this: the header, then the pages (p9_virtio_zc_request).
    if (readable.length === WRITE_HEADER_BYTES) {
      const { memory, offset } = readable
      const size = frameSize(memory, offset, offset + total, limit)
      if (size === total && frameType(memory, offset) === messages.write.type) {
        const tail = readable.pieces(WRITE_HEADER_BYTES, total - WRITE_HEADER_BYTES)
        session.receive(memory, offset, size, this, tail)
        return
      }
    }
    if (total > limit) {
      throw new ProtocolError('FRAME_TOO_LARGE', `${total} bytes, above the msize of ${limit}`)
    }
    const { gathered } = this.#device
    readable.copyTo(gathered.bytes.subarray(0, total))
    session.receive(gathered, 0, wholeFrame(gathered, 0, total, limit), this)
  }

  reserve(bytes: number): Writer {
    const { writable, isReachable } = this.#chain
    const { scratch } = this.#device
    this.#isInPlace = isReachable && writable.count === 1
    if (this.#isInPlace) {
      const { memory, offset } = writable
      this.#start = offset
      return this.#writer.over(memory, offset, offset + Math.min(bytes, writable.total))
    }
    this.#start = 0
    return this.#writer.over(scratch, 0, Math.min(bytes, writable.total, scratch.bytes.length))
  }

  payload({ memory, position, end }: Writer, count: number): Payload {
    const length = Math.max(0, Math.min(count, end - position - READ_OVERHEAD))
    if (this.#isInPlace || !this.#chain.isReachable) {
      return run(memory, position + READ_OVERHEAD, length)
    }
    const pieces = this.#chain.writable.pieces(READ_OVERHEAD, length)
    return { memory: pieces.memory, offset: pieces.offset, length, pieces }
  }

  commit(): void {
    const { position, elsewhere, memory } = this.#writer
    const length = position - this.#start
    if (this.#isInPlace) this.#chain.answer(length)
    else this.#chain.answer(length, memory.bytes.subarray(0, length - elsewhere))
  }

  /** The driver gets it back unused: Linux's then drops it without a look at the request (req_done). */
  forget(): void {
    this.#chain.answer(0)
  }
}

/** The size of the frame of a request of `total` bytes. @throws ProtocolError as frameSize, and for too few bytes. */
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
