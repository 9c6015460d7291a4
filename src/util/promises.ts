import type { Readable } from 'node:stream'

/** Rejects with the signal's reason once it is aborted. */
export function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = (): void => reject(signal.reason as Error)
    if (signal.aborted) fail()
    else signal.addEventListener('abort', fail, { once: true })
  })
}

/** Resolves when a stream has ended or was destroyed. An error of the stream is left to its other listeners. */
export function streamEnd(stream: Readable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.readableEnded || stream.destroyed) resolve()
    stream.once('end', resolve)
    stream.once('close', resolve)
  })
}
