import type { FuseSession } from '../../../src/fuse/session.ts'
import { run } from '../../../src/sys/memory.ts'
import type { ReplyPlace } from '../../../src/sys/reply-place.ts'
import { systemMemory } from '../../../src/sys/system-memory.ts'
import type { FuseChannel } from './client.ts'

/** Where the replies begin in their memory. */
const START = 64

/** A session in the same process, without a device: each request is received before {@link send} returns. */
export class SessionChannel implements FuseChannel {
  onReply: (reply: Buffer) => void = () => {}
  onEnd: (error: Error) => void = () => {}
  /** How many places were given back without a reply. */
  forgotten = 0
  readonly #session: FuseSession
  // One memory, as a device has one for gathered replies: two that are made at the same time come out mixed.
  readonly #memory = systemMemory(START + (1 << 21))

  constructor(session: FuseSession) {
    this.#session = session
  }

  /** @throws ProtocolError for a malformed request, which ends a device. */
  send(request: Buffer, room: number): void {
    // A request lies anywhere in its memory.
    const memory = systemMemory(9 + request.length + 9)
    memory.bytes.fill(0xee).set(request, 9)
    this.#session.receive(memory, 9, request.length, this.#place(room))
  }

  close(): void {
    this.#session.close()
  }

  /** A place of its own for each request, as a chain is one. */
  #place(room: number): ReplyPlace {
    const memory = this.#memory
    let isOver = false
    const end = (): void => {
      if (isOver) throw new Error('a place was used twice')
      isOver = true
    }
    return {
      isBackedUp: false,
      reserve: (bytes) => run(memory, START, Math.min(bytes, room)),
      payload: (headBytes, count) =>
        run(memory, START + headBytes, Math.min(count, Math.max(0, room - headBytes))),
      forget: () => {
        end()
        this.forgotten++
      },
      commit: (headBytes, payloadBytes) => {
        end()
        const length = headBytes + payloadBytes
        const reply = Buffer.from(memory.bytes.subarray(START, START + length))
        if (reply.readUInt32LE(0) !== length) throw new Error('len[4] is not the size of the reply')
        if (length > room) throw new Error(`${length} bytes in a room of ${room}`)
        this.onReply(reply)
      },
    }
  }
}
