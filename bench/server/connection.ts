import { close } from '../../src/sys/files.ts'
import { type SystemMemory, systemMemory } from '../../src/sys/system-memory.ts'
import { POLLIN, PollSet } from '../../src/sys/poll.ts'
import { connectUnix, receive, sendBlocking } from '../../src/sys/sockets.ts'
import { type Reply, decodeReply, encodeRequest } from '../../src/9p/wire/codec.ts'
import { Reader, Writer } from '../../src/wire/cursor.ts'
import { frameSize, frameTag, frameType } from '../../src/9p/wire/frame.ts'
import { HEADER_BYTES, NOFID, VERSION } from '../../src/9p/wire/limits.ts'
import type { MessageName, R, T } from '../../src/9p/wire/messages.ts'
import { fromText } from '../../src/util/text.ts'

/** Replies are received in pieces that fit into the L2 cache of a core, also where msize is larger. */
const RECEIVE_BYTES = 256 * 1024
const SEND_BYTES = 64 * 1024

/** The fid of the root, after {@link Connection.open}. */
export const ROOT = 0

/** An encoded request, and the type and size that its reply has to have. */
export interface Exchange {
  readonly request: Uint8Array
  readonly replyType: number
  readonly replySize: number
}

/** Requests that are repeated one after the other, with one in flight. A lane's tag is its index. */
export type Lane = readonly Exchange[]

/**
 * A 9P client that blocks and takes less time than any server: it uses no promises, and while it measures it does not
 * encode, decode or allocate.
 */
export class Connection {
  msize = 0
  readonly #fd: number
  readonly #in: SystemMemory
  readonly #out = systemMemory(SEND_BYTES)
  #outEnd = 0
  readonly #replies = new PollSet()

  private constructor(fd: number, msize: number) {
    this.#fd = fd
    this.#in = systemMemory(Math.max(msize, RECEIVE_BYTES))
    this.#replies.add(fd, POLLIN)
  }

  /**
   * Connects, agrees on an msize of at most `msize` bytes and attaches the root as {@link ROOT}.
   *
   * @param aname the path of the exported folder, which diod needs.
   */
  static open(socket: string, msize: number, aname: string): Connection {
    const connection = new Connection(connectUnix(fromText(socket)), msize)
    connection.msize = connection.get('version', { msize, version: VERSION }).msize
    const uid = process.getuid!()
    connection.get('attach', { fid: ROOT, afid: NOFID, uname: '', aname: fromText(aname), uid })
    return connection
  }

  /** One request and its reply, which may not be an error. */
  get<M extends MessageName>(name: M, request: T<M>): R<M> {
    const { reply } = this.call(name, request)
    if (!reply.ok) throw new Error(`T${name} ${JSON.stringify(request)}: errno ${reply.ecode}`)
    return reply.fields
  }

  /** One request and its reply. Bulk data stays in place until the next call. */
  call<M extends MessageName>(
    name: M,
    request: T<M>,
  ): { readonly reply: Reply<M>; readonly type: number; readonly size: number } {
    const frame = encode(0, name, request)
    this.#out.bytes.set(frame)
    sendBlocking(this.#fd, this.#out.address, frame.length)
    for (let end = 0; ;) {
      end += this.#receive(end, this.#in.bytes.length)
      const size = frameSize(this.#in, 0, end, this.msize || RECEIVE_BYTES)
      if (size === 0) continue
      const type = frameType(this.#in, 0)
      const from = new Reader(this.#in).over(this.#in, HEADER_BYTES, size)
      return { reply: decodeReply(name, type, from), type, size }
    }
  }

  /**
   * Makes the requests of all lanes, with one in flight for each. The first tenth of the time warms both sides up and
   * does not count.
   *
   * @returns the number of exchanges per second, and how far `clock` has advanced for each.
   */
  measure(
    lanes: readonly Lane[],
    milliseconds: number,
    clock: () => number,
  ): { readonly rate: number; readonly taken: number } {
    const { bytes, view } = this.#in
    const next = lanes.map(() => 0)
    const stop = performance.now() + milliseconds
    const warm = stop - 0.9 * milliseconds
    let start = Infinity
    let done = 0
    let rate = 0
    let taken = 0
    /** Bytes at the front of the buffer: the beginning of a header. */
    let kept = 0
    /** The lane whose reply is being received, -1 for none, and how many bytes of the body are missing. */
    let tag = -1
    let missing = 0
    let underWay = lanes.length

    lanes.forEach((lane) => this.#queue(lane[0]!))
    for (let stopping = false; ;) {
      this.#send()
      const end = kept + this.#receive(kept, RECEIVE_BYTES)
      let at = 0
      for (;;) {
        if (tag < 0) {
          if (end - at < HEADER_BYTES) break
          tag = frameTag(this.#in, at)
          const { replyType, replySize } = lanes[tag]![next[tag]!]!
          const type = frameType(this.#in, at)
          const size = view.getUint32(at, true)
          if (type !== replyType || size !== replySize) {
            throw new Error(`a reply of type ${type} and ${size} bytes to lane ${tag}`)
          }
          at += HEADER_BYTES
          missing = size - HEADER_BYTES
        }
        // The body is skipped: the header had the right size.
        const part = Math.min(missing, end - at)
        at += part
        missing -= part
        if (missing > 0) break
        done++
        const lane = lanes[tag]!
        next[tag] = next[tag]! + 1 < lane.length ? next[tag]! + 1 : 0
        if (stopping) underWay--
        else this.#queue(lane[next[tag]!]!)
        tag = -1
      }
      kept = end - at
      if (kept > 0) bytes.copyWithin(0, at, end)
      if (underWay === 0) return { rate, taken }
      const now = performance.now()
      if (start === Infinity && now >= warm) {
        start = now
        done = 0
        taken = -clock()
      }
      if (!stopping && now >= stop) {
        stopping = true
        rate = (done * 1000) / (now - start)
        taken = (taken + clock()) / done
      }
    }
  }

  close(): void {
    close(this.#fd)
  }

  #queue({ request }: Exchange): void {
    this.#out.bytes.set(request, this.#outEnd)
    this.#outEnd += request.length
  }

  #send(): void {
    if (this.#outEnd > 0) sendBlocking(this.#fd, this.#out.address, this.#outEnd)
    this.#outEnd = 0
  }

  /**
   * Waits in poll(2) and not in recv(2): a process in recv(2) is also woken when the server has received a request, and
   * each such wake costs as much as a system call of the server.
   */
  #receive(at: number, end: number): number {
    for (;;) {
      const received = receive(this.#fd, this.#in.address + at, end - at)
      if (received > 0) return received
      if (received === 0) throw new Error('the server has closed the connection')
      this.#replies.wait(-1)
    }
  }
}

/** A whole request frame. */
export function encode<M extends MessageName>(tag: number, name: M, request: T<M>): Uint8Array {
  scratch.over(scratch.memory, 0, SEND_BYTES)
  encodeRequest(scratch, tag, name, request)
  return Uint8Array.from(scratch.memory.bytes.subarray(0, scratch.position))
}

const scratch = new Writer(systemMemory(SEND_BYTES))
