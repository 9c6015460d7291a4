import type { Duplex } from 'node:stream'
import type { SessionLimits } from '../../server/limits.ts'
import type { Exports } from '../../tree/tree.ts'
import { StreamSession } from './stream-session.ts'

/**
 * Serves `exports`, a tree or several, to the client at the other end of a Node stream, on this thread: for trees made of
 * functions, for stdio, and for tests. The stream belongs to the server from now on.
 *
 * @param log gets one line when the client breaks the protocol.
 * @returns a promise that resolves when the conversation is over, however it ended.
 */
export function serveDuplex(
  exports: Exports,
  stream: Duplex,
  log: (line: string) => void = () => {},
  limits?: SessionLimits,
): Promise<void> {
  // An answer that had to wait is committed outside of `answer` and must be sent from there.
  let answering = false
  const session: StreamSession = new StreamSession(exports, log, limits, () => {
    if (!answering) send()
  })
  const { inbox, outbox } = session

  /** @returns whether the client takes its replies: without that, it gets no further ones. */
  const send = (): boolean => {
    if (outbox.pending > 0) {
      const { start, pending, memory } = outbox
      // A copy: the stream keeps it until the other side has taken it.
      stream.write(Buffer.from(memory.bytes.subarray(start, start + pending)))
      outbox.left(pending)
    }
    return !stream.writableNeedDrain
  }

  /** Bytes of the stream that have found no room in the inbox yet. */
  let rest: Buffer = Buffer.alloc(0)

  /** Answers what has arrived, as long as the replies are taken. */
  const answer = (): void => {
    answering = true
    try {
      let more = true
      while (more || rest.length > 0) {
        if (!more) {
          const part = rest.subarray(0, inbox.room)
          inbox.memory.bytes.set(part, inbox.end)
          inbox.arrived(part.length)
          rest = rest.subarray(part.length)
        }
        more = session.answer()
        if (!send()) {
          stream.pause()
          stream.once('drain', answer)
          return
        }
      }
      if (stream.isPaused()) stream.resume()
    } catch (error) {
      log(error instanceof Error ? error.message : String(error))
      stream.destroy()
    } finally {
      answering = false
    }
  }

  return new Promise((resolve) => {
    stream.on('data', (chunk: Buffer) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      answer()
    })
    stream.on('end', () => stream.end())
    // The reason is the client's business; 'close' follows.
    stream.on('error', () => {})
    stream.once('close', () => {
      session.close()
      resolve()
    })
  })
}
