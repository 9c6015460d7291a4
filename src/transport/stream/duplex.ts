import type { Duplex } from 'node:stream'
import type { SessionLimits } from '../../server/session.ts'
import type { Tree } from '../../tree/tree.ts'
import { StreamSession } from './stream-session.ts'

/**
 * Serves `tree` to the client at the other end of a Node stream, on this thread: for trees made of
 * functions, for stdio, and for tests. The stream belongs to the server from now on.
 *
 * @param log gets one line when the client breaks the protocol.
 * @returns a promise that resolves when the conversation is over, however it ended.
 */
export function serveDuplex(
  tree: Tree,
  stream: Duplex,
  log: (line: string) => void = () => {},
  limits?: SessionLimits,
): Promise<void> {
  // An answer that had to wait is committed outside of `answer` and must be sent from there.
  let answering = false
  const session: StreamSession = new StreamSession(tree, log, limits, () => {
    if (!answering) send()
  })
  const { inbox, outbox } = session

  const send = (): void => {
    if (outbox.pending === 0) return
    const { start, pending, memory } = outbox
    // A copy: the stream keeps it until the other side has taken it.
    const flowing = stream.write(Buffer.from(memory.bytes.subarray(start, start + pending)))
    outbox.left(pending)
    // A client that does not take its replies gets no further requests answered.
    if (!flowing) {
      stream.pause()
      stream.once('drain', () => stream.resume())
    }
  }

  const receive = (chunk: Buffer): void => {
    answering = true
    try {
      for (let taken = 0; taken < chunk.length;) {
        const part = chunk.subarray(taken, taken + inbox.room)
        inbox.memory.bytes.set(part, inbox.end)
        inbox.arrived(part.length)
        taken += part.length
        let more: boolean
        do {
          more = session.answer()
          send()
        } while (more)
      }
    } catch (error) {
      log(error instanceof Error ? error.message : String(error))
      stream.destroy()
    } finally {
      answering = false
    }
  }

  return new Promise((resolve) => {
    stream.on('data', receive)
    stream.on('end', () => stream.end())
    // The reason is the client's business; 'close' follows.
    stream.on('error', () => {})
    stream.once('close', () => {
      session.close()
      resolve()
    })
  })
}
