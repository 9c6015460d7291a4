import { Worker } from 'node:worker_threads'
import { ErrnoError } from '../../errno.ts'
import { closeEventfd, createEventfd, signalEventfd } from '../../libc/eventfd.ts'
import type { EngineMessage, EngineStart, Listen, Share } from './share.ts'

/** A host directory being served by a thread of its own. */
export interface Engine extends AsyncDisposable {
  /** Where it listens; a TCP port of 0 has become the real one. */
  readonly listen: readonly Listen[]
  /** Resolves when the thread has ended; rejects when it did so by itself. */
  readonly ended: Promise<void>
  /** Ends all connections, closes every descriptor and removes the socket files. */
  close(): Promise<void>
}

/**
 * Starts a thread that serves `share` and resolves once it listens.
 *
 * @param log gets one line for each connection that comes or goes and each thing out of order.
 * @throws ErrnoError when the directory cannot be opened or the address cannot be listened on:
 *   ENOENT, ENOTDIR, EACCES, EADDRINUSE, …
 */
export async function startEngine(
  share: Share,
  log: (line: string) => void = () => {},
): Promise<Engine> {
  const stopFd = createEventfd()
  const start: EngineStart = { share, stopFd }
  const worker = new Worker(new URL('./worker.js', import.meta.url), {
    workerData: start,
    // Not this process's own: a thread refuses some of them, such as those that come with --eval.
    execArgv: [],
    name: 'lowerdir engine',
  })
  let closing = false
  let alive = true
  const stop = (): void => {
    if (alive) signalEventfd(stopFd)
  }
  // Node waits for its threads when the process ends, and this one sleeps in a system call.
  process.once('exit', stop)
  let failure: Error | undefined

  const ended = new Promise<void>((resolve, reject) => {
    worker.on('error', (error) => {
      failure ??= error instanceof Error ? error : new Error(String(error))
    })
    worker.on('exit', () => {
      alive = false
      process.off('exit', stop)
      closeEventfd(stopFd)
      if (failure !== undefined) reject(failure)
      else if (closing) resolve()
      else reject(new Error(`the server of ${share.directory} has ended by itself`))
    })
  })
  // Whoever asks for it sees the rejection; nobody has to.
  ended.catch(() => {})

  const listen = await new Promise<readonly Listen[]>((resolve, reject) => {
    worker.on('message', (message: EngineMessage) => {
      if (message.kind === 'log') log(message.line)
      else if (message.kind === 'listening') resolve(message.listen)
      else failure = new ErrnoError(message.errno, message.what)
    })
    ended.catch(reject)
  })

  const close = async (): Promise<void> => {
    closing = true
    stop()
    await ended
  }
  return { listen, ended, close, [Symbol.asyncDispose]: close }
}
