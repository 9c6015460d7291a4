import { rmSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { ErrnoError, errno, errnoOf } from '../../errno.ts'
import { closeEventfd, createEventfd } from '../../libc/eventfd.ts'
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
  parentPort?.postMessage(message)
}

function log(line: string): void {
  tell({ kind: 'log', line })
}

const outOfDescriptors: ReadonlySet<number> = new Set([errno.EMFILE, errno.ENFILE])

/** A listening socket; a unix socket's file goes with it. */
class Listener implements Watched {
  readonly fd: number
  readonly waitsFor = 'read'
  readonly #path: string | null
  readonly #onAccept: (fd: number) => void
  /** Held for the time when there is no other left, see {@link Listener.#refuse}. */
  #spare: number

  constructor(listen: Listen, onAccept: (fd: number) => void) {
    this.#path = listen.kind === 'unix' ? listen.path : null
    this.fd =
      listen.kind === 'unix'
        ? listenUnix(fromText(listen.path))
        : listenTcp(listen.host, listen.port)
    this.#spare = createEventfd()
    this.#onAccept = onAccept
  }

  ready(): void {
    try {
      for (let fd = accept(this.fd); fd >= 0; fd = accept(this.fd)) this.#onAccept(fd)
    } catch (error) {
      // Out of descriptors, or the client was gone again: others are served all the same.
      if (error instanceof ErrnoError && outOfDescriptors.has(error.errno)) this.#refuse()
      log(
        `a connection could not be accepted: ${error instanceof Error ? error.message : String(error)}`,
      )
    }
  }

  /** Ends the connection that cannot be accepted: as long as it waits, poll(2) would not sleep. */
  #refuse(): void {
    if (this.#spare >= 0) closeEventfd(this.#spare)
    this.#spare = -1
    try {
      const fd = accept(this.fd)
      if (fd >= 0) close(fd)
      this.#spare = createEventfd()
    } catch {
      // Another thread took the place that became free; the next round tries again.
    }
  }

  close(): void {
    close(this.fd)
    if (this.#spare >= 0) closeEventfd(this.#spare)
    // Somebody may have removed it.
    if (this.#path !== null) rmSync(this.#path, { force: true })
  }
}

function serve(loop: Loop, tree: Tree, { listen, limits }: Share): void {
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
  const loop = new Loop()
  let tree: HostTree | undefined
  try {
    tree = new HostTree(share.directory, share, loop.later)
    serve(loop, tree, share)
  } finally {
    // Sessions hold nodes, so they end before the tree does.
    loop.close()
    tree?.close()
  }
} catch (error) {
  const what = error instanceof ErrnoError ? error.operation : String(error)
  tell({ kind: 'failed', errno: errnoOf(error), what })
}
