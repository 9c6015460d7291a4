import type { Readable } from 'node:stream'

/** Resolves when a stream has no more to give, however that came. */
export function streamEnd(stream: Readable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.readableEnded || stream.destroyed) resolve()
    stream.once('end', resolve)
    stream.once('close', resolve)
  })
}
