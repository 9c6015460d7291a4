import { heapMemory } from '../../src/sys/memory.ts'
import { decodeReply, encodeRequest } from '../../src/fuse/wire/codec.ts'
import {
  IN_HEADER_BYTES,
  MAJOR,
  MINOR,
  OUT_HEADER_BYTES,
  WRITE_HEADER_BYTES,
} from '../../src/fuse/wire/limits.ts'
import { init } from '../../src/fuse/wire/flags.ts'
import type { MessageName, R, T } from '../../src/fuse/wire/messages.ts'
import { Reader, Writer } from '../../src/wire/cursor.ts'
import { GuestRam, PAGE } from '../../test/support/vhost-user/guest-ram.ts'
import { ChainRing, type Span } from './chain-ring.ts'

/** Room for the chains of every workload, also for 64 reads of 1 MiB. */
const RAM_BYTES = 160 << 20
/** As QEMU's `queue-size=1024`. */
const QUEUE_SIZE = 1024
/** The longest request that is made here, with 4 KiB of data, in bytes; and the longest reply to {@link FsDriver.ask}. */
const REQUEST_BYTES = 8192

/** A request that lies ready in the guest's memory. */
export interface Prepared {
  /** Its chain in {@link FsDriver.ring}. */
  readonly chain: number
  /** Header and fields of the request, for changes between two uses. */
  readonly header: DataView
  readonly fields: DataView
  /** Header and fields of the reply. */
  readonly replyHeader: DataView
  readonly reply: DataView
}

/** Where the bytes of a reply go. */
export interface ReplyRoom {
  /** Bytes of fields. */
  readonly fields?: number
  /** Bytes of a payload, in pages of their own as Linux has them. */
  readonly payload?: number
}

/**
 * The driver of a file system device with one request queue. It lays out requests as fs/fuse/virtio_fs.c of Linux does: header,
 * fields and payload of a request each have descriptors of their own.
 */
export abstract class FsDriver implements Disposable {
  protected readonly ram = new GuestRam([
    { file: 0, guestAddress: 0, size: RAM_BYTES, userAddress: 0x7f10_0000_0000, offset: 0 },
  ])
  /** The queue of high priority, in which nothing is sent here, and the queue of requests. */
  protected readonly rings: readonly [ChainRing, ChainRing]
  #end = PAGE
  /** The end of the memory that is never forgotten, see {@link clear}. */
  readonly #kept: number
  #unique = 2

  protected constructor() {
    const newRing = (): ChainRing =>
      new ChainRing(this.ram, (...what) => this.#allocate(...what), QUEUE_SIZE)
    this.rings = [newRing(), newRing()]
    this.#kept = this.#end
  }

  /** The queue of requests. */
  get ring(): ChainRing {
    return this.rings[1]
  }

  /** Waits until the device has given a chain back. */
  abstract wait(): void

  abstract [Symbol.dispose](): void

  protected mount(): void {
    const flags =
      init.ASYNC_READ |
      init.ATOMIC_O_TRUNC |
      init.BIG_WRITES |
      init.AUTO_INVAL_DATA |
      init.DO_READDIRPLUS |
      init.PARALLEL_DIROPS |
      init.MAX_PAGES
    this.ask('init', 0, {
      major: MAJOR,
      minor: MINOR,
      maxReadahead: 1 << 20,
      flags: Number(flags),
      flags2: 0,
    })
    this.clear()
  }

  /** One request and its reply, which may not be an error. */
  ask<M extends MessageName>(name: M, nodeid: number, fields: T<M>): R<M> {
    const prepared = this.prepare(name, nodeid, fields, { fields: REQUEST_BYTES })
    this.ring.offer(prepared.chain)
    while (this.ring.take() < 0) this.wait()
    const { replyHeader, reply } = prepared
    const bytes = Buffer.concat([replyHeader, reply].map(bytesOf))
    const from = new Reader(copied(bytes)).over(copied(bytes), 0, replyHeader.getUint32(0, true))
    const answer = decodeReply(name, from)
    if (!answer.ok) throw new Error(`${name} of node ${nodeid}: errno ${answer.ecode}`)
    return answer.fields
  }

  /**
   * Lays a request out in the guest's memory.
   *
   * @param room for the reply; undefined for a request without one.
   */
  prepare<M extends MessageName>(
    name: M,
    nodeid: number,
    fields: T<M>,
    room: ReplyRoom | undefined,
  ): Prepared {
    const to = new Writer(heapMemory(REQUEST_BYTES)).over(
      heapMemory(REQUEST_BYTES),
      0,
      REQUEST_BYTES,
    )
    const unique = (this.#unique += 2)
    encodeRequest(to, name, { unique, nodeid, uid: 0, gid: 0, pid: 1 }, fields)
    const request = to.memory.bytes.subarray(0, to.position)
    const fieldsEnd = name === 'write' ? WRITE_HEADER_BYTES : request.length
    const header = this.#filled(request.subarray(0, IN_HEADER_BYTES))
    const own = this.#filled(request.subarray(IN_HEADER_BYTES, fieldsEnd))
    const data = request.subarray(fieldsEnd)
    const out = [header, own, ...this.#pages(data.length)]
    if (data.length > 0) this.ram.bytes(out[2]!.address, data.length).set(data)

    const replyHeader = this.#span(OUT_HEADER_BYTES)
    const reply = this.#span(room?.fields ?? 0)
    const into = room === undefined ? [] : [replyHeader, reply, ...this.#pages(room.payload ?? 0)]
    const present = (spans: readonly Span[]): Span[] => spans.filter(({ length }) => length > 0)
    const view = ({ address, length }: Span): DataView => this.ram.view(address, length)
    return {
      chain: this.ring.prepare(present(out), present(into)),
      header: view(header),
      fields: view(own),
      replyHeader: view(replyHeader),
      reply: view(reply),
    }
  }

  /** Forgets all requests. None may be under way. */
  clear(): void {
    this.ring.clear()
    this.#end = this.#kept
  }

  #allocate(bytes: number, alignment: number): number {
    const start = Math.ceil(this.#end / alignment) * alignment
    if (start + bytes > RAM_BYTES) throw new Error('the guest has no memory left')
    this.#end = start + bytes
    return start
  }

  /** kmalloc(9) aligns to 8 bytes at least, and no two of its pieces are adjacent here. */
  #span(length: number): Span {
    return { address: this.#allocate(length + 8, 16), length }
  }

  #filled(bytes: Uint8Array): Span {
    const span = this.#span(bytes.length)
    this.ram.bytes(span.address, bytes.length).set(bytes)
    return span
  }

  /** Pages for so many bytes, none adjacent to another: a guest's page cache has them from all over its memory. */
  #pages(bytes: number): Span[] {
    const spans: Span[] = []
    const count = Math.ceil(bytes / PAGE)
    const start = this.#allocate(count * PAGE, PAGE)
    for (let i = 0; i < count; i++) {
      // Downwards, so that no page follows the one in front of it.
      spans.push({
        address: start + (count - 1 - i) * PAGE,
        length: Math.min(PAGE, bytes - i * PAGE),
      })
    }
    return spans
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: DataView): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength)
}

function copied(bytes: Buffer): ReturnType<typeof heapMemory> {
  const memory = heapMemory(bytes.length)
  memory.bytes.set(bytes)
  return memory
}
