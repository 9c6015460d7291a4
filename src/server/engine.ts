/**
 * A server is a process that serves exports, with its sockets, its event loop and its sandbox, and a handle on it for the
 * process that started it.
 *
 * This is the handle. main.cts is where the process begins, and index.ts the public face of the room, `lowerdir/server`.
 */

import { ErrnoError } from '../sys/errno.ts'
import { checkSaved } from '../9p/saved-session.ts'
import type { Holdable } from '../transport/hold.ts'
import { type ListeningSocket, listenAll } from './listening-socket.ts'
import { ExportError } from '../tree/host/host-exports.ts'
import { SandboxError } from './sandbox.ts'
import { ServingProcess } from './serving-process.ts'
import type { EngineCommand, EngineMessage, Listen, SavedConnection, Share } from './share.ts'

/**
 * A process that serves directories of the host. The sessions of its clients at unix sockets can be saved.
 * {@link Share.resume} gives such sessions to another engine, which goes on with them.
 */
export interface Engine extends AsyncDisposable, Holdable<readonly SavedConnection[]> {
  /** Where it listens. A TCP port of 0 is replaced by the actual port. */
  readonly listen: readonly Listen[]
  /** The number of the process; undefined where it could not be started. */
  readonly pid: number | undefined
  /**
   * Resolves when the process serves. Until then clients connect and wait. Rejects when it cannot start, as
   * {@link startEngine} does.
   */
  readonly serving: Promise<void>
  /**
   * Resolves when the process has ended: by {@link close}, or because the client of {@link Served.once} has gone.
   * Rejects if it has ended otherwise.
   */
  readonly ended: Promise<void>
  /**
   * Resolves when the clients of all sessions of {@link Share.resume} have connected, with the number of files that could
   * not be opened again; never if some of them do not connect.
   */
  readonly resumed: Promise<number>
  /**
   * Ends all connections, closes every descriptor and removes the socket files. It takes 3 seconds at most: a process that
   * waits for a file system that hangs is killed, and then left behind. It ends when that file system answers.
   */
  close(): Promise<void>
}

/**
 * Starts a process that serves `share` and resolves once it does.
 *
 * @param log as for {@link openEngine}.
 * @throws what {@link openEngine} throws; ExportError when a directory cannot be opened: ENOENT, ENOTDIR, EACCES, …;
 *   SandboxError when one is required and incomplete; Error when there can be no further process.
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
 * Starts a process that is going to serve `share`. When this returns, its sockets listen.
 *
 * The starter opens, closes and removes the sockets. So they are removed however the process ends, and the
 * sandbox can deny it all sockets, and all files but those of its share.
 *
 * @param log gets a line for each connection that comes or goes and each failure, up to a limit, see log-budget.ts.
 * @param program as for {@link ServingProcess}.
 * @throws ListenError when an address cannot be listened on: EADDRINUSE, EACCES, …; Error for a session that cannot be
 *   resumed with these limits.
 */
export function openEngine(
  share: Share,
  log: (line: string) => void,
  program?: readonly string[],
): Engine {
  const { exports, limits, sandbox, once, resume = [] } = share
  for (const { stream } of resume) checkSaved(stream.session, limits)
  const sockets = listenAll(share.listen)
  const asked: Asked[] = []
  const resuming = new Resuming(resume.length)
  const serving = deferred()
  const ended = deferred()
  let closing = false
  let hasServed = false
  let isOver = false
  /** Why it cannot start, by its own account. */
  let refused: Error | undefined

  const onMessage = (message: EngineMessage): void => {
    if (message.kind === 'log') log(message.line)
    else if (message.kind === 'left') {
      closing = true
      child?.end()
    } else if (message.kind === 'serving') {
      hasServed = true
      serving.resolve()
    } else if (message.kind === 'resumed') resuming.one(message.lost)
    else if (message.kind === 'done') asked.shift()?.resolve(message.saved)
    else if (message.kind === 'refused')
      asked.shift()?.reject(new Error(refusal(share, message.why)))
    else if (message.errno === null) refused = new SandboxError(message.what)
    else {
      const error = new ErrnoError(message.errno, message.what)
      const exported = exports[message.index ?? -1]
      refused = exported === undefined ? error : new ExportError(error, exported)
    }
  }
  /** Why it has ended, unless it was told to. A caller who waits until it serves needs the errno itself. */
  const reasonOf = (failure: Error | undefined): Error | undefined => {
    if (refused !== undefined && !hasServed) return refused
    const own = refused && new Error(`has failed: ${refused.message}`, { cause: refused })
    const reason = own ?? failure
    return reason && endOf(share, child, reason)
  }
  const onEnd = (failure: Error | undefined): void => {
    isOver = true
    process.off('exit', onProcessExit)
    const unclosed = closeAll(sockets)
    const why = reasonOf(failure) ?? unclosed
    const byItself = closing ? undefined : new Error(`The server of ${names(share)} has ended.`)
    const reason = why ?? byItself
    if (reason === undefined) ended.resolve()
    else ended.reject(reason)
    serving.reject(
      reason ?? new Error(`The server of ${names(share)} was closed before it served.`),
    )
    for (const each of asked.splice(0)) each.reject(new Error(refusal(share, OVER)))
  }
  let child: ServingProcess | undefined
  const onProcessExit = (): void => {
    child?.kill()
    for (const socket of sockets) socket.removeFile()
  }
  process.once('exit', onProcessExit)
  try {
    child = new ServingProcess(
      {
        served: { exports, limits, sandbox, once },
        sockets: sockets.map(({ fd, listen }, index) => ({
          fd,
          listen,
          resume: resume.filter(({ place }) => place === index).map(({ stream }) => stream),
        })),
      },
      {
        message: onMessage,
        get awaitsLarge() {
          return asked.length > 0
        },
        ended: onEnd,
        leftBehind() {
          log(
            `${processOf(child)} hangs in a file system and is left behind; it ends when that answers`,
          )
        },
      },
      program,
    )
  } catch (error) {
    process.off('exit', onProcessExit)
    closeAll(sockets)
    throw error
  }
  const started = child

  const ask = (command: EngineCommand): Promise<readonly SavedConnection[]> =>
    new Promise((resolve, reject) => {
      if (isOver) {
        reject(new Error(refusal(share, OVER)))
        return
      }
      asked.push({ resolve, reject })
      started.send(command)
    })

  const close = async (): Promise<void> => {
    closing = true
    started.end()
    // `serving` has rejected if the process could not start.
    await (hasServed ? ended.promise : ended.promise.catch(() => {}))
  }
  return {
    listen: sockets.map((socket) => socket.listen),
    pid: child.pid,
    serving: serving.promise,
    ended: ended.promise,
    resumed: resuming.all,
    async hold() {
      await ask('hold')
    },
    save: () => ask('save'),
    goOn() {
      // It fails if the process has ended. `ended` then tells the reason.
      ask('go on').catch(() => {})
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** A promise and its two ends. A rejection that is not awaited does not end the process. */
function deferred(): { promise: Promise<void>; resolve(): void; reject(error: Error): void } {
  let resolve = (): void => {}
  let reject = (_error: Error): void => {}
  const promise = new Promise<void>((...ends) => ([resolve, reject] = ends))
  promise.catch(() => {})
  return { promise, resolve, reject }
}

const OVER = 'its server has ended'

/** The failure of a process, with what it has served. */
function endOf(share: Share, child: ServingProcess | undefined, failure: Error): Error {
  return new Error(`The server of ${names(share)} (${processOf(child)}) ${failure.message}`, {
    cause: failure,
  })
}

function processOf(child: ServingProcess | undefined): string {
  return child?.pid === undefined ? 'no process' : `process ${child.pid}`
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
