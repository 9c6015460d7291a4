import { FuseSession } from '../../fuse/session.ts'
import type { FusePolicy } from '../../fuse/caching.ts'
import { fieldsEnd, opcodeAt, requestOfOpcode } from '../../fuse/wire/codec.ts'
import {
  IN_HEADER_BYTES,
  IO_BYTES_MAX,
  OUT_HEADER_BYTES,
  REQUEST_BYTES_MAX,
  WRITE_HEADER_BYTES,
} from '../../fuse/wire/limits.ts'
import { messages } from '../../fuse/wire/messages.ts'
import type { SessionLimits } from '../../session/session-limits.ts'
import { type SystemMemory, systemMemory } from '../../sys/system-memory.ts'
import type { Later } from '../../tree/later.ts'
import type { Exports } from '../../tree/tree.ts'
import { ProtocolError } from '../../wire/protocol-error.ts'
import type { Chain, ChainServer } from './chain.ts'
import type { Device, DeviceState } from './device.ts'
import { SessionChain } from './session-chain.ts'
import { VirtqueueError } from './virtqueue.ts'

/** The length of the tag in the configuration space (virtio 1.3, 5.11.4). Unused bytes are 0. */
export const FS_TAG_BYTES = 36

/** How many request queues a front end may set up, beside the one for requests of high priority. */
const REQUEST_QUEUES = 32

/** The options of a file system device. */
export interface FsDeviceOptions {
  readonly exports: Exports
  readonly policy: FusePolicy
  readonly limits: SessionLimits
  /**
   * The mount tag, at most {@link FS_TAG_BYTES} bytes of UTF-8, for front ends that ask the backend for it. QEMU gets it on
   * its command line, and versions 7.1 to 8.0 crash if they are offered to ask. Default: front ends are not offered to ask.
   */
  readonly tag?: string | undefined
  readonly log: (line: string) => void
  /** See {@link FuseSession}. */
  readonly later?: Later
}

/**
 * A file system device (virtio 1.3, 5.11): one {@link FuseSession}. Queue 0 is for requests of high priority (FORGET and
 * INTERRUPT), the others are for all other requests. All queues are served alike.
 */
export class FsDevice implements Device {
  readonly queues = 1 + REQUEST_QUEUES
  readonly features = 0n
  readonly config: Uint8Array
  readonly session: FuseSession
  /** For replies whose chain has more than one iovec. All chains share it, since one reply is made at a time. */
  readonly scratch: SystemMemory
  /** For requests whose chain has more than one iovec, which are all of Linux's. One request is read at a time. */
  readonly gathered: SystemMemory

  constructor({ exports, policy, limits, tag, log, later }: FsDeviceOptions) {
    this.config = tag === undefined ? new Uint8Array() : configSpace(tag)
    this.session = new FuseSession(exports, policy, log, limits, later)
    this.scratch = systemMemory(OUT_HEADER_BYTES + IO_BYTES_MAX)
    this.gathered = systemMemory(REQUEST_BYTES_MAX)
  }

  serverFor(chain: Chain): ChainServer {
    return new FsChain(this, chain)
  }

  get state(): DeviceState {
    return this.session
  }

  reset(): void {
    this.session.reset()
  }
}

/** Serves the requests of one chain object. */
class FsChain extends SessionChain<FsDevice> {
  protected override receive(): void {
    const { readable, writable } = this.chain
    const { session, gathered } = this.device
    const { total } = readable
    if (total < IN_HEADER_BYTES) {
      throw new ProtocolError('FRAME_TOO_SMALL', `a request of ${total} bytes`)
    }
    const head = readable.copyTo(gathered, 0, 0, WRITE_HEADER_BYTES)
    const opcode = opcodeAt(gathered, 0)
    if (writable.total < OUT_HEADER_BYTES && requestOfOpcode(opcode)?.row.R !== null) {
      throw new VirtqueueError(`a request with room for ${writable.total} bytes of a reply`)
    }
    if (opcode === messages.write.opcode && total > WRITE_HEADER_BYTES) {
      const bytes = fieldsEnd(gathered, 0, total) - WRITE_HEADER_BYTES
      const tail = readable.pieces(WRITE_HEADER_BYTES, Math.max(0, bytes))
      session.receive(gathered, 0, total, this.reply, tail)
      return
    }
    if (total > gathered.bytes.length) {
      throw new ProtocolError('FRAME_TOO_LARGE', `a request of ${total} bytes`)
    }
    // Not the bytes before once more: the driver could have changed them since they were looked at.
    readable.copyTo(gathered, head, head, total - head)
    session.receive(gathered, 0, total, this.reply)
  }
}

/**
 * struct virtio_fs_config (include/uapi/linux/virtio_fs.h): tag[36] num_request_queues[4]. QEMU has its own, other front ends
 * may set up fewer queues.
 */
function configSpace(tag: string): Buffer {
  const bytes = Buffer.alloc(FS_TAG_BYTES + 4)
  bytes.write(tag, 0, FS_TAG_BYTES, 'utf8')
  bytes.writeUInt32LE(1, FS_TAG_BYTES)
  return bytes
}
