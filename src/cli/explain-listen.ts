import { existsSync, lstatSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { ListenError } from '../server/listening-socket.ts'
import type { Listen } from '../server/share.ts'
import { UNIX_PATH_MAX } from '../sys/sockets.ts'
import { UserError, explain } from './user-error.ts'

/**
 * Explains why an address cannot be listened on.
 *
 * @param what the beginning of the message, such as `/x cannot be served`.
 */
export function explainListen(what: string, error: ListenError): unknown {
  const { listen } = error
  const beginning = `${what} at ${addressOf(listen)}`
  const reason =
    listen.kind === 'tcp' ? tcpReason(listen, error.code) : pathReason(listen.path, error.code)
  if (reason === undefined) return explain(beginning, error)
  return new UserError(`${beginning}: ${reason}`, { cause: error })
}

function addressOf(listen: Listen): string {
  return listen.kind === 'tcp'
    ? `tcp:${listen.host}:${listen.port}`
    : `${listen.kind}:${listen.path}`
}

/** Why bind(2) refuses a TCP address; undefined for a reason that needs no more words than any other error's. */
function tcpReason(
  { host, port }: { readonly host: string; readonly port: number },
  code: string,
): string | undefined {
  switch (code) {
    case 'EADDRINUSE':
      return `another process listens on port ${port}. Choose another, or 0 for any free one.`
    case 'EADDRNOTAVAIL':
      return `this machine does not have the address ${host}. \`ip address\` lists those that it has.`
    case 'EACCES':
      return `this user may not listen on port ${port}. Choose one from 1024 on.`
    default:
      return undefined
  }
}

/** The same for the path of a unix socket. */
function pathReason(path: string, code: string): string | undefined {
  const folder = dirname(path)
  switch (code) {
    case 'ENOENT':
      return `there is no folder ${folder}. Make it, for example with mkdir -p, or choose another path.`
    case 'ENOTDIR':
      return `${fileAmong(folder)} is not a folder. Choose another path.`
    case 'EACCES':
    case 'EPERM':
      return `this user may not make a file in ${folder}. Choose another path.`
    case 'ENAMETOOLONG':
      return `the path has ${Buffer.byteLength(path)} bytes, and that of a unix socket has at most ${UNIX_PATH_MAX}. Choose a shorter one.`
    case 'EADDRINUSE':
      return isOther(path)
        ? 'a file that is not a socket is there, and it is not removed. Remove it, or choose another path.'
        : 'another process listens there. End it, or choose another path.'
    default:
      return undefined
  }
}

/** Which of a folder and those around it is not a folder. */
function fileAmong(folder: string): string {
  const parent = dirname(folder)
  if (parent === folder) return folder
  return existsSync(folder) && !statSync(folder).isDirectory() ? folder : fileAmong(parent)
}

/** Whether something other than a socket is at `path`. */
function isOther(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSocket() === false
}
