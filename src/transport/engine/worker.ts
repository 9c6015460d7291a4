import { parentPort, workerData } from 'node:worker_threads'
import { ErrnoError, errnoOf } from '../../errno.ts'
import { discard } from '../../libc/files.ts'
import { clearThreadUmask } from '../../libc/process.ts'
import { setNoDelay } from '../../libc/sockets.ts'
import { HostExports } from '../../tree/host/exports.ts'
import type { Exports } from '../../tree/tree.ts'
import { Connection } from './connection.ts'
import { Listener } from './listener.ts'
import { LogBudget } from './log-budget.ts'
import { Loop } from './loop.ts'
import { SandboxError, enterSandbox } from './sandbox.ts'
import type { EngineMessage, EngineStart } from './share.ts'

/** The engine thread: everything from here on is synchronous. */

const { served, sockets, stopFd } = workerData as EngineStart

// An errno is an answer, not an accident: no time is spent on its stack.
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
  let number = 0
  let connections = 0
  /** Whether the log knows that there are as many as there may be. */
  let isFull = false

  const onEnd = (name: string, connection: Connection, reason: string): void => {
    log(`${name}: ${reason}`)
    connections--
    isFull = false
    loop.remove(connection)
  }
  const onAccept = (fd: number, kind: 'unix' | 'tcp'): void => {
    if (connections >= limits.connections) {
      discard(fd)
      if (!isFull) log(`${connections} clients are connected, and more are not let in`)
      isFull = true
      return
    }
    if (kind === 'tcp') setNoDelay(fd)
    const name = `client ${++number}`
    const say = (line: string): void => log(`${name}: ${line}`)
    loop.add(
      new Connection(fd, exports, limits, say, (ended, reason) => onEnd(name, ended, reason)),
    )
    connections++
    say('connected')
  }
  for (const { fd, listen } of sockets) {
    const { kind } = listen
    if (kind === 'vhost-user') throw new Error('not yet')
    loop.add(new Listener(fd, (accepted) => onAccept(accepted, kind), log))
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
    exports = new HostExports(served.exports, loop.later)
    // From here on there is no way back: what clients cause happens inside.
    log(enterSandbox(served.sandbox, exports.trees))
    serve(loop, exports)
  } finally {
    // Sessions hold nodes, so they end before the trees do.
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
