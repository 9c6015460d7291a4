import { limits } from '../../../src/9p/index.ts'
import { type SavedStream, StreamSession } from '../../../src/transport/stream/stream-session.ts'
import type { Tree } from '../../../src/tree/tree.ts'
import type { RawReply } from '../../support/session-probe.ts'

/** A client's end of a byte stream, without a socket: bytes go in, replies come out. */
export class Wire {
  readonly #stream: StreamSession

  constructor(tree: Tree, log: (line: string) => void) {
    this.#stream = new StreamSession(tree, log)
  }

  /** The saved state, which another server loads. */
  save(): string {
    return JSON.stringify(this.#stream.save())
  }

  load(saved: string): void {
    this.#stream.load(JSON.parse(saved) as SavedStream)
  }

  /**
   * Hands bytes over as a socket would, often in two pieces, and returns what was answered.
   *
   * @throws ProtocolError where the server ends the connection.
   */
  send(bytes: Buffer): RawReply[] {
    const { inbox } = this.#stream
    const replies: RawReply[] = []
    let rest = bytes
    let more = false
    let piece = bytes.length % 3 === 0 ? bytes.length >> 1 : bytes.length
    do {
      const part = rest.subarray(0, Math.min(piece, inbox.room))
      piece = bytes.length
      inbox.memory.bytes.set(part, inbox.end)
      inbox.arrived(part.length)
      rest = rest.subarray(part.length)
      do {
        more = this.#stream.answer()
        replies.push(...this.taken())
      } while (more)
    } while (rest.length > 0)
    return replies
  }

  /** The replies so far. */
  taken(): RawReply[] {
    const { outbox } = this.#stream
    const { start, pending, memory } = outbox
    const bytes = Buffer.from(memory.bytes.subarray(start, start + pending))
    outbox.left(pending)
    return split(bytes)
  }

  close(): void {
    this.#stream.close()
  }
}

function split(bytes: Buffer): RawReply[] {
  const replies: RawReply[] = []
  for (let at = 0; at < bytes.length;) {
    const size = bytes.readUInt32LE(at)
    if (size < limits.HEADER_BYTES || at + size > bytes.length) {
      throw new Error(`the server has sent a frame of size ${size}`)
    }
    const frame = bytes.subarray(at, at + size)
    replies.push({ type: frame[4] as number, tag: frame.readUInt16LE(5), frame })
    at += size
  }
  return replies
}
