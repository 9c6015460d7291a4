import { lstatSync, unlinkSync } from 'node:fs'
import { O_NONBLOCK } from './constants.ts'
import { ErrnoError, errno } from './errno.ts'
import { call, lastErrno, raw } from './ffi.ts'
import { discard, setStatusFlags } from './files.ts'
import { cString, systemMemory } from './system-memory.ts'

const AF_UNIX = 1
const AF_INET = 2
const SOCK_STREAM = 1
const SOCK_SEQPACKET = 5
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
export const SOL_SOCKET = 1
const SO_REUSEADDR = 2
const SO_TYPE = 3
const SO_ACCEPTCONN = 30
const SO_DOMAIN = 39
const IPPROTO_TCP = 6
const TCP_NODELAY = 1
export const MSG_DONTWAIT = 0x40
export const MSG_NOSIGNAL = 0x4000
const BACKLOG = 128
/** The same on x86-64 and aarch64 (include/uapi/asm-generic/ioctls.h's TIOCOUTQ). */
const SIOCOUTQ = 0x5411

/** Longest path of a unix socket in bytes, without its NUL (unix(7)). */
export const UNIX_PATH_MAX = 107

const native = {
  socket: call('int', 'socket', 'int', 'int', 'int'),
  socketpair: call('int', 'socketpair', 'int', 'int', 'int', 'pointer'),
  fchmod: call('int', 'fchmod', 'int', 'uint32'),
  bind: call('int', 'bind', 'int', 'pointer', 'uint32'),
  listen: call('int', 'listen', 'int', 'int'),
  connect: call('int', 'connect', 'int', 'pointer', 'uint32'),
  accept4: raw('int', 'accept4', 'int', 'pointer', 'pointer', 'int'),
  getsockname: call('int', 'getsockname', 'int', 'pointer', 'pointer'),
  setsockopt: call('int', 'setsockopt', 'int', 'int', 'int', 'pointer', 'uint32'),
  getsockopt: call('int', 'getsockopt', 'int', 'int', 'int', 'pointer', 'pointer'),
  recv: raw('long', 'recv', 'int', 'pointer', 'size', 'int'),
  send: raw('long', 'send', 'int', 'pointer', 'size', 'int'),
  ioctl: call('int', 'ioctl', 'int', 'size', 'pointer'),
  unlink: call('int', 'unlink', 'pointer'),
}

const address = systemMemory(128)
const option = systemMemory(8)

/**
 * A listening unix socket, open to this user alone (0600). A socket file without a listener, such as a killed server leaves
 * behind, is replaced.
 *
 * @param path a byte string of at most {@link UNIX_PATH_MAX} bytes.
 * @throws ErrnoError EADDRINUSE when there is a listener or a file that is no socket, ENAMETOOLONG, EACCES, …
 */
export function listenUnix(path: string): number {
  const length = unixAddress(path)
  const fd = native.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
  let bound = false
  try {
    // Set before bind(2), which gives the file the mode of the socket's inode (net/unix/af_unix.c,
    // unix_bind_bsd). After bind(2) it would be too late: another user's connect(2) may have found the file
    // already, and would succeed after listen(2).
    native.fchmod(fd, 0o600)
    try {
      native.bind(fd, address.address, length)
    } catch (error) {
      if (!(error instanceof ErrnoError) || error.errno !== errno.EADDRINUSE) throw error
      if (!isAbandoned(path)) throw error
      native.unlink(cString(path))
      native.bind(fd, address.address, unixAddress(path))
    }
    bound = true
    native.listen(fd, BACKLOG)
    return fd
  } catch (error) {
    if (bound) unlinkSync(Buffer.from(path, 'latin1'))
    discard(fd)
    throw error
  }
}

/**
 * Makes a listening unix socket of another program's, such as systemd's or libvirt's, one that {@link accept} does not wait
 * for. The caller owns it.
 *
 * @returns the path that it is bound to, a byte string; empty for one without a path.
 * @throws ErrnoError EINVAL for a socket of another kind, EBADF and ENOTSOCK for what is none.
 */
export function adoptListening(fd: number): string {
  const isListening =
    optionOf(fd, SO_DOMAIN) === AF_UNIX &&
    optionOf(fd, SO_TYPE) === SOCK_STREAM &&
    optionOf(fd, SO_ACCEPTCONN) === 1
  if (!isListening) throw new ErrnoError(errno.EINVAL, 'listening unix socket')
  setStatusFlags(fd, O_NONBLOCK)
  option.view.setUint32(0, address.bytes.length, true)
  native.getsockname(fd, address.address, option.address)
  const length = Math.min(option.view.getUint32(0, true), address.bytes.length)
  const path = address.bytes.toString('latin1', 2, Math.max(2, length))
  return path.split('\0', 1)[0] ?? ''
}

/** Two unix sockets that are connected with each other. What is sent at once arrives at once (SOCK_SEQPACKET). */
export function seqpacketPair(): readonly [number, number] {
  native.socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, option.address)
  return [option.view.getInt32(0, true), option.view.getInt32(4, true)]
}

/** A connection to the unix socket at `path`; it blocks. */
export function connectUnix(path: string): number {
  return connectWith(path, 0)
}

/** @param flags for socket(2)'s type. */
function connectWith(path: string, flags: number): number {
  const length = unixAddress(path)
  const fd = native.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0)
  try {
    native.connect(fd, address.address, length)
    return fd
  } catch (error) {
    discard(fd)
    throw error
  }
}

/** Whether `path` is a socket file without a listener. */
function isAbandoned(path: string): boolean {
  // connect(2) fails with the same errno for files of other types, which must not be removed.
  const stat = lstatSync(Buffer.from(path, 'latin1'), { throwIfNoEntry: false })
  if (!stat?.isSocket()) return false
  try {
    // SOCK_NONBLOCK: if the listener's backlog is full, connect(2) fails with EAGAIN and does not wait.
    discard(connectWith(path, SOCK_NONBLOCK))
    return false
  } catch (error) {
    return error instanceof ErrnoError && error.errno === errno.ECONNREFUSED
  }
}

function unixAddress(path: string): number {
  if (path.length > UNIX_PATH_MAX) throw new ErrnoError(errno.ENAMETOOLONG, 'unix socket path')
  address.bytes.fill(0)
  address.view.setUint16(0, AF_UNIX, true)
  address.bytes.write(path, 2, 'latin1')
  return 2 + path.length + 1
}

/**
 * A listening TCP socket.
 *
 * @param host an IPv4 address in dotted form.
 * @param port 0 to 65535; 0 lets the kernel choose, see {@link boundPort}.
 * @throws ErrnoError EADDRINUSE, EACCES for a port below 1024, EADDRNOTAVAIL, …
 */
export function listenTcp(host: string, port: number): number {
  const fd = native.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
  try {
    setOption(fd, SOL_SOCKET, SO_REUSEADDR)
    address.bytes.fill(0)
    address.view.setUint16(0, AF_INET, true)
    address.view.setUint16(2, port)
    address.bytes.set(host.split('.').map(Number), 4)
    native.bind(fd, address.address, 16)
    native.listen(fd, BACKLOG)
    return fd
  } catch (error) {
    discard(fd)
    throw error
  }
}

/** The port that a TCP socket is bound to. */
export function boundPort(fd: number): number {
  option.view.setUint32(0, 16, true)
  native.getsockname(fd, address.address, option.address)
  return address.view.getUint16(2)
}

/** Sends small replies at once instead of waiting for more (tcp(7)). */
export function setNoDelay(fd: number): void {
  setOption(fd, IPPROTO_TCP, TCP_NODELAY)
}

/** The next connection of a listening socket; -1 if there is none now. */
export function accept(fd: number): number {
  const accepted = native.accept4(fd, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK)
  return accepted >= 0 ? accepted : unavailable('accept4')
}

/**
 * Receives bytes to `at` of the memory. Returns how many; 0 at the end of the stream, -1 if there is nothing
 * now.
 */
export function receive(fd: number, at: number, length: number): number {
  const received = native.recv(fd, at, length, MSG_DONTWAIT)
  return received >= 0 ? received : unavailable('recv')
}

/** As {@link receive}, but it waits until there is something. */
export function receiveBlocking(fd: number, at: number, length: number): number {
  const received = native.recv(fd, at, length, 0)
  return received >= 0 ? received : unavailable('recv')
}

/**
 * Sends bytes from `at` of the memory. Returns how many were taken; -1 if the other side's buffers are full.
 */
export function send(fd: number, at: number, length: number): number {
  const sent = native.send(fd, at, length, MSG_DONTWAIT | MSG_NOSIGNAL)
  return sent >= 0 ? sent : unavailable('send')
}

/**
 * Whether the other side of a unix socket has received all that was sent: the kernel then keeps no memory for
 * it (unix_outq_len in net/unix/af_unix.c). For a TCP socket, this would only mean that the other kernel has
 * received it.
 */
export function isReceived(fd: number): boolean {
  native.ioctl(fd, SIOCOUTQ, option.address)
  return option.view.getInt32(0, true) === 0
}

/** Sends all bytes, and waits where it has to. */
export function sendBlocking(fd: number, at: number, length: number): void {
  for (let done = 0; done < length;) {
    const sent = native.send(fd, at + done, length - done, MSG_NOSIGNAL)
    if (sent >= 0) done += sent
    else unavailable('send')
  }
}

function setOption(fd: number, level: number, name: number): void {
  option.view.setUint32(0, 1, true)
  native.setsockopt(fd, level, name, option.address, 4)
}

function optionOf(fd: number, name: number): number {
  option.view.setUint32(4, 4, true)
  native.getsockopt(fd, SOL_SOCKET, name, option.address, option.address + 4)
  return option.view.getInt32(0, true)
}

/** Returns -1 where the errno of a failed call means "not now". @throws ErrnoError for any other errno. */
export function unavailable(operation: string): -1 {
  const number = lastErrno()
  if (number === errno.EAGAIN || number === errno.EINTR) return -1
  throw new ErrnoError(number, operation)
}
