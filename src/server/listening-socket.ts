import { lstatSync, rmSync } from 'node:fs'
import { ErrnoError } from '../sys/errno.ts'
import { discard } from '../sys/files.ts'
import { adoptListening, boundPort, listenTcp, listenUnix } from '../sys/sockets.ts'
import { fromText, toText } from '../util/text.ts'
import type { Listen } from './share.ts'

/** An address cannot be listened on. */
export class ListenError extends ErrnoError {
  readonly listen: Listen

  constructor({ errno, operation }: ErrnoError, listen: Listen) {
    super(errno, operation)
    this.listen = listen
  }
}

/**
 * A socket that an engine listens on, with the file of a unix socket. The engine's starter owns it, since the
 * serving process may end at any time and its sandbox lets it remove nothing.
 */
export class ListeningSocket {
  readonly fd: number
  /** Where it listens; a TCP port of 0 has become the real one. */
  readonly listen: Listen
  /** The file of a unix socket, until it is removed. */
  #file: { readonly path: string; readonly dev: bigint; readonly ino: bigint } | undefined

  /**
   * @throws ErrnoError when the address cannot be listened on: EADDRINUSE, EACCES, ENOENT, …; for a given socket as
   *   {@link adoptListening}, and it is left open.
   */
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
    if ('fd' in listen && listen.fd !== undefined) {
      this.listen = { ...listen, path: toText(adoptListening(listen.fd)) }
      this.fd = listen.fd
      return
    }
    this.fd = listenUnix(fromText(listen.path))
    this.listen = listen
    const stat = lstatSync(listen.path, { bigint: true, throwIfNoEntry: false })
    if (stat !== undefined) this.#file = { path: listen.path, dev: stat.dev, ino: stat.ino }
  }

  /** Removes the socket's file, unless another file is in its place by now. */
  removeFile(): void {
    const file = this.#file
    this.#file = undefined
    if (file === undefined) return
    const stat = lstatSync(file.path, { bigint: true, throwIfNoEntry: false })
    if (stat?.ino === file.ino && stat.dev === file.dev) rmSync(file.path, { force: true })
  }

  /** Removes the file first: as long as a client can find it, connections must be accepted. */
  close(): void {
    try {
      this.removeFile()
    } finally {
      discard(this.fd)
    }
  }
}

/** Listens at all addresses, or at none. @throws ListenError for the first that fails, as {@link ListeningSocket}. */
export function listenAll(places: readonly Listen[]): readonly ListeningSocket[] {
  const sockets: ListeningSocket[] = []
  try {
    for (const place of places) sockets.push(listenAt(place))
    return sockets
  } catch (error) {
    for (const socket of sockets) socket.close()
    throw error
  }
}

function listenAt(place: Listen): ListeningSocket {
  try {
    return new ListeningSocket(place)
  } catch (error) {
    throw error instanceof ErrnoError ? new ListenError(error, place) : error
  }
}
