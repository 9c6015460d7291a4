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
import { ExportError, type HostExport } from '../tree/host/host-exports.ts'
import { SandboxError } from './sandbox.ts'
import { ServingProcess } from './serving-process.ts'
import type {
  EngineCommand,
  EngineMessage,
  Listen,
  Passing,
  Resumed,
  SavedConnection,
  Share,
} from './share.ts'

/** A process that serves exports. */
export interface EngineProcess {
  /** As {@link Engine.pid}. */
  readonly pid: number | undefined
  readonly exports: readonly HostExport[]
  /** As {@link Engine.ended}, for this process. */
  readonly ended: Promise<void>
}

/**
 * A process that serves directories of the host. The sessions of its clients at unix sockets can be saved.
 * {@link Share.resume} gives such sessions to another engine, which goes on with them.
 */
export interface Engine extends AsyncDisposable, Holdable<readonly SavedConnection[]> {
  /** Where it listens. A TCP port of 0 is replaced by the actual port. */
  readonly listen: readonly Listen[]
  /** The number of the process that accepts clients; undefined where it could not be started. */
  readonly pid: number | undefined
  /** The processes that have exports: one, or with {@link Share.separate} one for each. */
  readonly processes: readonly EngineProcess[]
  /**
   * Resolves when the process serves. Until then clients connect and wait. Rejects when it cannot start, as
   * startEngine (start.ts) does.
   */
  readonly serving: Promise<void>
  /**
   * Resolves when the process has ended: by {@link close}, or because the client of {@link Served.once} has gone.
   * Rejects if it has ended otherwise. Of several processes, one of an export may end before the others: this rejects when
   * the last one has.
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

/** A part of a share that other processes serve as well, see separate-engine.ts. */
export interface Part {
  /** With descriptors of the starter, who still owns them. */
  readonly passing: Passing
  /** In the place of {@link Share.resume}. */
  readonly resume: readonly { readonly place: number; readonly resumed: Resumed }[]
}

/**
 * Starts a process that is going to serve `share`. When this returns, its sockets listen.
 *
 * The starter opens, closes and removes the sockets. So they are removed however the process ends, and the
 * sandbox can deny it all sockets, and all files but those of its share.
 *
 * @param log gets a line for each connection that comes or goes and each failure, up to a limit, see log-budget.ts.
 * @param program as for {@link ServingProcess}.
 * @param part set where other processes serve the same share.
 * @throws ListenError when an address cannot be listened on: EADDRINUSE, EACCES, …; Error for a session that cannot be
 *   resumed with these limits.
 */
export function openEngine(
  share: Share,
  log: (line: string) => void,
  program?: readonly string[],
  part?: Part,
): Engine {
  const { exports, limits, sandbox, once } = share
  for (const { stream } of share.resume ?? []) checkSaved(stream.session, limits)
  const resume =
    part?.resume ?? (share.resume ?? []).map(({ place, stream }) => ({ place, resumed: stream }))
  const sockets = listenAll(share.listen)
  const asked: Asked[] = []
  const resuming = new Resuming(
    resume.filter(({ resumed }) => !('route' in resumed)).length +
      (part?.passing.kind === 'export' ? part.passing.resume.length : 0),
  )
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
    cancelAtExit(onProcessExit)
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
  actAtExit(onProcessExit)
  try {
    child = new ServingProcess(
      {
        // A router has none of them. They are in its messages.
        served: { exports: part?.passing.kind === 'router' ? [] : exports, limits, sandbox, once },
        sockets: sockets.map(({ fd, listen }, index) => ({
          fd,
          listen,
          resume: resume.filter(({ place }) => place === index).map(({ resumed }) => resumed),
        })),
        passing: part?.passing,
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
    cancelAtExit(onProcessExit)
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
    processes: [{ pid: child.pid, exports, ended: ended.promise }],
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

/** What engines do when this process exits. They share a listener, because Node warns of more than ten. */
const atExit = new Set<() => void>()

function onExit(): void {
  for (const act of atExit) act()
}

function actAtExit(act: () => void): void {
  if (atExit.size === 0) process.on('exit', onExit)
  atExit.add(act)
}

function cancelAtExit(act: () => void): void {
  atExit.delete(act)
  if (atExit.size === 0) process.off('exit', onExit)
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
