/**
 * A server is a thread that serves exports, with its sockets, its event loop and its sandbox, and a handle on it for the thread
 * that started it.
 *
 * This is the handle. worker.ts is where the thread begins, and index.ts the public face of the room, `lowerdir/server`.
 */

import { Worker } from 'node:worker_threads'
import { ErrnoError } from '../sys/errno.ts'
import { closeEventfd, createEventfd, signalEventfd } from '../sys/eventfd.ts'
import { checkSaved } from '../9p/saved-session.ts'
import type { Holdable } from '../transport/hold.ts'
import { type ListeningSocket, listenAll } from './listening-socket.ts'
import { SandboxError } from './sandbox.ts'
import type {
  EngineCommand,
  EngineMessage,
  EngineStart,
  Listen,
  SavedConnection,
  Share,
} from './share.ts'

/**
 * A thread that serves directories of the host. The sessions of its clients at unix sockets can be saved.
 * {@link Share.resume} gives such sessions to another engine, which goes on with them.
 */
export interface Engine extends AsyncDisposable, Holdable<readonly SavedConnection[]> {
  /** Where it listens. A TCP port of 0 is replaced by the actual port. */
  readonly listen: readonly Listen[]
  /**
   * Resolves when the thread serves. Until then clients connect and wait. Rejects when it cannot start, as
   * {@link startEngine} does.
   */
  readonly serving: Promise<void>
  /** Resolves when the thread has ended. Rejects if the thread ended without {@link close}. */
  readonly ended: Promise<void>
  /**
   * Resolves when the clients of all sessions of {@link Share.resume} have connected, with the number of files that could
   * not be opened again; never if some of them do not connect.
   */
  readonly resumed: Promise<number>
  /** Ends all connections, closes every descriptor and removes the socket files. */
  close(): Promise<void>
}

/**
 * Starts a thread that serves `share` and resolves once it does.
 *
 * @param log as for {@link openEngine}.
 * @throws what {@link openEngine} throws; ErrnoError when a directory cannot be opened: ENOENT, ENOTDIR, EACCES, …;
 *   SandboxError when one is required and incomplete.
 */
export async function startEngine(
  share: Share,
  log: (line: string) => void = () => {},
): Promise<Engine> {
  const engine = openEngine(share, log)
  await engine.serving
  return engine
}

/**
 * Starts a thread that is going to serve `share`. When this returns, its sockets listen.
 *
 * The starter opens, closes and removes the sockets. So they are removed however the thread ends, and the
 * sandbox can deny the thread all sockets, and all files but those of its share.
 *
 * @param log gets a line for each connection that comes or goes and each failure, up to a limit, see log-budget.ts.
 * @throws ListenError when an address cannot be listened on: EADDRINUSE, EACCES, …; Error for a session that cannot be
 *   resumed with these limits.
 */
export function openEngine(share: Share, log: (line: string) => void): Engine {
  const { exports, limits, sandbox, resume = [] } = share
  for (const { stream } of resume) checkSaved(stream.session, limits)
  const eventfds: number[] = []
  const closeEventfds = (): void => {
    for (const fd of eventfds.splice(0)) closeEventfd(fd)
  }
  let sockets: readonly ListeningSocket[]
  try {
    eventfds.push(createEventfd())
    eventfds.push(createEventfd())
    sockets = listenAll(share.listen)
  } catch (error) {
    closeEventfds()
    throw error
  }
  const [stopFd = -1, commandFd = -1] = eventfds
  const start: EngineStart = {
    served: { exports, limits, sandbox },
    sockets: sockets.map(({ fd, listen }, index) => ({
      fd,
      listen,
      resume: resume.filter(({ place }) => place === index).map(({ stream }) => stream),
    })),
    stopFd,
    commandFd,
  }
  const worker = new Worker(new URL('./worker.js', import.meta.url), {
    workerData: start,
    // Not this process's arguments: a thread refuses some of them, such as those that come with --eval.
    execArgv: [],
    // Requests allocate little that lives long, and V8 would use a larger young generation up to its end.
    resourceLimits: { maxYoungGenerationSizeMb: 8 },
    name: 'lowerdir engine',
  })
  let closing = false
  let alive = true
  let hasServed = false
  const stop = (): void => {
    if (alive) signalEventfd(stopFd)
  }
  const onProcessExit = (): void => {
    // Node waits for its threads when the process ends, and this thread sleeps in epoll_wait(2).
    stop()
    for (const socket of sockets) socket.removeFile()
  }
  process.once('exit', onProcessExit)
  let failure: Error | undefined

  const ended = new Promise<void>((resolve, reject) => {
    worker.on('error', (error) => {
      failure ??= error instanceof Error ? error : new Error(String(error))
    })
    worker.on('exit', () => {
      alive = false
      process.off('exit', onProcessExit)
      closeEventfds()
      const unclosed = closeAll(sockets)
      failure ??= unclosed
      if (failure !== undefined) reject(failure)
      else if (closing) resolve()
      else reject(new Error(`the server of ${names(share)} has ended by itself`))
    })
  })
  // If the caller does not await it, its rejection must not end the process.
  ended.catch(() => {})

  const asked: Asked[] = []
  const resuming = new Resuming(resume.length)
  const serving = new Promise<void>((resolve, reject) => {
    worker.on('message', (message: EngineMessage) => {
      if (message.kind === 'log') log(message.line)
      else if (message.kind === 'serving') {
        hasServed = true
        resolve()
      } else if (message.kind === 'resumed') resuming.one(message.lost)
      else if (message.kind === 'done') asked.shift()?.resolve(message.saved)
      else if (message.kind === 'refused')
        asked.shift()?.reject(new Error(refusal(share, message.why)))
      else if (message.errno === null) failure = new SandboxError(message.what)
      else failure = new ErrnoError(message.errno, message.what)
    })
    ended.catch(reject)
  })
  serving.catch(() => {})

  const ask = (command: EngineCommand): Promise<readonly SavedConnection[]> =>
    new Promise((resolve, reject) => {
      const isOver = (): void => reject(new Error(refusal(share, 'its server has ended')))
      ended.then(isOver, isOver)
      if (!alive) return
      asked.push({ resolve, reject })
      worker.postMessage(command)
      signalEventfd(commandFd)
    })

  const close = async (): Promise<void> => {
    closing = true
    stop()
    // `serving` has rejected if the thread could not start.
    await (hasServed ? ended : ended.catch(() => {}))
  }
  const listen = sockets.map((socket) => socket.listen)
  return {
    listen,
    serving,
    ended,
    resumed: resuming.all,
    async hold() {
      await ask('hold')
    },
    save: () => ask('save'),
    goOn() {
      // It fails if the thread has ended. `ended` then tells the reason.
      ask('go on').catch(() => {})
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Counts the sessions that were resumed. */
class Resuming {
  readonly all: Promise<number>
  #finish!: (lost: number) => void
  #missing: number
  #lost = 0

  constructor(count: number) {
    this.#missing = count
    this.all = new Promise((resolve) => {
      this.#finish = resolve
    })
    if (count === 0) this.#finish(0)
  }

  one(lost: number): void {
    this.#lost += lost
    if (--this.#missing === 0) this.#finish(this.#lost)
  }
}

/** The promise of a command that was not answered yet. */
interface Asked {
  resolve(saved: readonly SavedConnection[]): void
  reject(error: Error): void
}

function refusal(share: Share, why: string): string {
  return `${names(share)} cannot be saved: ${why}.`
}

function names({ exports }: Share): string {
  return exports.map(({ directory }) => directory).join(', ')
}

/** Closes all sockets, also after a failure. @returns the last failure. */
function closeAll(sockets: readonly ListeningSocket[]): Error | undefined {
  let failure: Error | undefined
  for (const socket of sockets) {
    try {
      socket.close()
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error))
    }
  }
  return failure
}
