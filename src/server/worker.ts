import { parentPort, workerData } from 'node:worker_threads'
import { ErrnoError, errnoOf } from '../sys/errno.ts'
import { discard } from '../sys/files.ts'
import { clearThreadUmask } from '../sys/process.ts'
import { setNoDelay } from '../sys/sockets.ts'
import { HostExports } from '../tree/host/host-exports.ts'
import type { Watched } from '../transport/event-loop.ts'
import type { Exports } from '../tree/tree.ts'
import { type Client, Commands } from './commands.ts'
import { Connection } from './connection.ts'
import { Listener } from './listener.ts'
import { LogBudget } from './log-budget.ts'
import { Loop } from './loop.ts'
import { SandboxError, enterSandbox } from './sandbox.ts'
import { coldReads } from './uring-reads.ts'
import type { EngineMessage, EngineStart, Listen } from './share.ts'

/** The engine thread. Everything behind the first lines is synchronous. */

const { served, sockets, stopFd, commandFd } = workerData as EngineStart

// Loaded on demand: a tenth of what this thread loads, and most engines do not use it.
const vhostUser = sockets.some(({ listen }) => listen.kind === 'vhost-user')
  ? {
      ...(await import('../transport/vhost-user/backend.ts')),
      ...(await import('../transport/vhost-user/p9-device.ts')),
    }
  : undefined

// Errors with an errno are ordinary answers, so no time is spent on their stacks.
Error.stackTraceLimit = 0

function tell(message: EngineMessage): void {
  parentPort?.postMessage(message)
}

const budget = new LogBudget((line) => tell({ kind: 'log', line }))

function log(line: string): void {
  budget.log(line)
}

function serve(loop: Loop, exports: Exports): void {
  const { limits } = served
  loop.add({ fd: stopFd, waitsFor: 'read', ready: () => loop.stop(), close: () => {} })
  const clients = new Set<Client>()
  const commands = parentPort && new Commands(commandFd, parentPort, clients, loop.later)
  if (commands) loop.add(commands)
  let number = 0
  /** Whether the log already has a line about the limit of connections. */
  let isFull = false
  /** Sessions that are still to be resumed, by the index of the address. */
  const resume = sockets.map((socket) => [...socket.resume])

  const onAccept = (fd: number, place: number, listen: Listen): void => {
    if (clients.size >= limits.connections) {
      discard(fd)
      if (!isFull) log(`${clients.size} clients are connected, and more are not let in`)
      isFull = true
      return
    }
    if (listen.kind === 'tcp') setNoDelay(fd)
    const name = `client ${++number}`
    const say = (line: string): void => log(`${name}: ${line}`)
    const onEnd = (_watched: Watched, reason: string): void => {
      say(reason)
      clients.delete(client)
      isFull = false
      loop.remove(client.watched)
    }
    const saved = resume[place]?.shift()
    const watched =
      listen.kind === 'vhost-user' && vhostUser !== undefined
        ? new vhostUser.Backend(
            fd,
            loop,
            new vhostUser.P9Device({ exports, limits, tag: listen.tag, log: say }),
            { log: say, onEnd },
            listen.unsealed === true ? 'any' : 'sealed',
          )
        : new Connection(fd, loop, exports, limits, say, onEnd)
    const client: Client = { watched, place, listen }
    try {
      loop.add(watched)
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error
      // The loop has closed it.
      say(`could not be accepted: ${error.message}`)
      return
    }
    clients.add(client)
    say(saved === undefined ? 'connected' : 'connected, and goes on where it was saved')
    if (!saved || !commands || !(watched instanceof Connection)) return
    tell({ kind: 'resumed', lost: commands.resume(watched, saved) })
  }
  for (const [place, { fd, listen }] of sockets.entries()) {
    loop.add(new Listener(fd, (accepted) => onAccept(accepted, place, listen), log))
  }
  tell({ kind: 'serving' })
  loop.run()
}

try {
  try {
    clearThreadUmask()
  } catch (error) {
    log(`the umask stays as it is, new files' modes are set one by one: ${String(error)}`)
  }
  const loop = new Loop()
  let exports: HostExports | undefined
  try {
    const cold = coldReads()
    if (typeof cold === 'string') log(cold)
    else loop.add(cold)
    exports = new HostExports(
      served.exports,
      loop.later,
      typeof cold === 'string' ? undefined : cold,
    )
    // The sandbox cannot be left again, so it comes last before clients are served.
    log(enterSandbox(served.sandbox, exports.trees))
    serve(loop, exports)
  } finally {
    // Sessions hold nodes, so they are closed before the trees.
    loop.close()
    exports?.close()
  }
} catch (error) {
  if (error instanceof SandboxError) tell({ kind: 'failed', errno: null, what: error.message })
  else {
    const what = error instanceof ErrnoError ? error.operation : String(error)
    tell({ kind: 'failed', errno: errnoOf(error), what })
  }
}
