import { lstatSync, rmSync } from 'node:fs'
import { discard } from '../sys/files.ts'
import { boundPort, listenTcp, listenUnix } from '../sys/sockets.ts'
import { fromText } from '../util/text.ts'
import type { Listen } from './share.ts'

/**
 * A socket that an engine listens on, and a unix socket's file. It belongs to the engine's starter: the
 * engine thread may be gone without a word, and its sandbox lets it remove nothing.
 */
export class ListeningSocket {
  readonly fd: number
  /** Where it listens; a TCP port of 0 has become the real one. */
  readonly listen: Listen
  /** The socket's file, as long as it has to be removed. */
  #file: { readonly path: string; readonly dev: bigint; readonly ino: bigint } | undefined

  /** @throws ErrnoError when the address cannot be listened on: EADDRINUSE, EACCES, ENOENT, … */
  constructor(listen: Listen) {
    if (listen.kind === 'tcp') {
      this.fd = listenTcp(listen.host, listen.port)
      try {
        this.listen = { ...listen, port: boundPort(this.fd) }
      } catch (error) {
        discard(this.fd)
        throw error
      }
      return
    }
    this.fd = listenUnix(fromText(listen.path))
    this.listen = listen
    const stat = lstatSync(listen.path, { bigint: true, throwIfNoEntry: false })
    if (stat !== undefined) this.#file = { path: listen.path, dev: stat.dev, ino: stat.ino }
  }

  /** Removes the socket's file, unless somebody has put another in its place. */
  removeFile(): void {
    const file = this.#file
    this.#file = undefined
    if (file === undefined) return
    const stat = lstatSync(file.path, { bigint: true, throwIfNoEntry: false })
    if (stat?.ino === file.ino && stat.dev === file.dev) rmSync(file.path, { force: true })
  }

  /** First the file: whoever finds it before it is gone still finds somebody who listens. */
  close(): void {
    try {
      this.removeFile()
    } finally {
      discard(this.fd)
    }
  }
}

/** Listens in each place, or in none. @throws as {@link ListeningSocket}. */
export function listenAll(places: readonly Listen[]): readonly ListeningSocket[] {
  const sockets: ListeningSocket[] = []
  try {
    for (const place of places) sockets.push(new ListeningSocket(place))
    return sockets
  } catch (error) {
    for (const socket of sockets) socket.close()
    throw error
  }
}
