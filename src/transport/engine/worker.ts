import { rmSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { ErrnoError, errnoOf } from '../../errno.ts'
import { close } from '../../libc/files.ts'
import { clearThreadUmask } from '../../libc/process.ts'
import { accept, boundPort, listenTcp, listenUnix, setNoDelay } from '../../libc/sockets.ts'
import { fromText } from '../../protocol/text.ts'
import { HostTree } from '../../tree/host/tree.ts'
import type { Tree } from '../../tree/tree.ts'
import { Connection } from './connection.ts'
import { Loop, type Watched } from './loop.ts'
import type { EngineMessage, EngineStart, Listen, Share } from './share.ts'

/** The engine thread: everything from here on is synchronous. */

const { share, stopFd } = workerData as EngineStart

// An errno is an answer, not an accident: no time is spent on its stack.
Error.stackTraceLimit = 0

function tell(message: EngineMessage): void {
  parentPort!.postMessage(message)
}

function log(line: string): void {
  tell({ kind: 'log', line })
}

/** A listening socket; a unix socket's file goes with it. */
class Listener implements Watched {
  readonly fd: number
  readonly waitsFor = 'read'
  readonly #path: string | null
  readonly #onAccept: (fd: number) => void

  constructor(listen: Listen, onAccept: (fd: number) => void) {
    this.#path = listen.kind === 'unix' ? listen.path : null
    this.fd =
      listen.kind === 'unix'
        ? listenUnix(fromText(listen.path))
        : listenTcp(listen.host, listen.port)
    this.#onAccept = onAccept
  }

  ready(): void {
    try {
      for (let fd = accept(this.fd); fd >= 0; fd = accept(this.fd)) this.#onAccept(fd)
    } catch (error) {
      // Out of descriptors, or the client was gone again: others are served all the same.
      log(
        `a connection could not be accepted: ${error instanceof Error ? error.message : String(error)}`,
      )
    }
  }

  close(): void {
    close(this.fd)
    // Somebody may have removed it.
    if (this.#path !== null) rmSync(this.#path, { force: true })
  }
}

function serve(tree: Tree, { listen, limits }: Share): void {
  using loop = new Loop()
  loop.add({ fd: stopFd, waitsFor: 'read', ready: () => loop.stop(), close: () => {} })
  let number = 0
  const bound = listen.map((where): Listen => {
    const listener = new Listener(where, (fd) => {
      if (where.kind === 'tcp') setNoDelay(fd)
      const name = `client ${++number}`
      const connection = new Connection(
        fd,
        tree,
        limits,
        (line) => log(`${name}: ${line}`),
        (ended, reason) => {
          log(`${name}: ${reason}`)
          loop.remove(ended)
        },
      )
      loop.add(connection)
      log(`${name}: connected`)
    })
    loop.add(listener)
    return where.kind === 'tcp' ? { ...where, port: boundPort(listener.fd) } : where
  })
  tell({ kind: 'listening', listen: bound })
  loop.run()
}

try {
  try {
    clearThreadUmask()
  } catch (error) {
    log(`the umask stays as it is, new files' modes are set one by one: ${String(error)}`)
  }
  const tree = new HostTree(share.directory, share)
  try {
    serve(tree, share)
  } finally {
    tree.close()
  }
} catch (error) {
  const what = error instanceof ErrnoError ? error.operation : String(error)
  tell({ kind: 'failed', errno: errnoOf(error), what })
}
