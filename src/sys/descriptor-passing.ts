import { ErrnoError, errno } from './errno.ts'
import { raw } from './ffi.ts'
import { discard } from './files.ts'
import { systemMemory } from './system-memory.ts'
import { MSG_DONTWAIT, MSG_NOSIGNAL, SOL_SOCKET, unavailable } from './sockets.ts'

const SCM_RIGHTS = 1
const MSG_CMSG_CLOEXEC = 0x40000000
const MSG_CTRUNC = 0x8

/** The most descriptors that come or go with one message. The kernel's limit is 253 (SCM_MAX_FD). */
export const DESCRIPTORS_MAX = 32

const native = {
  recvmsg: raw('long', 'recvmsg', 'int', 'pointer', 'int'),
  sendmsg: raw('long', 'sendmsg', 'int', 'pointer', 'int'),
}

/**
 * struct msghdr on 64-bit Linux: name[8] namelen[4] pad[4] iov[8] iovlen[8] control[8] controllen[8] flags[4] pad[4],
 * then the one struct iovec that it points to.
 */
const header = systemMemory(56 + 16)
const IOV = 56
const CONTROL = 32
const CONTROL_LENGTH = 40
const FLAGS = 48

/** struct cmsghdr: len[8] level[4] type[4], then the descriptors. */
const control = systemMemory(16 + DESCRIPTORS_MAX * 4)

/** What {@link receiveWithDescriptors} has received. */
export interface Received {
  /** How many bytes; 0 at the end of the stream, -1 when there is nothing now. */
  readonly bytes: number
  /** The descriptors that came along. They belong to the caller, and close on exec. */
  readonly descriptors: readonly number[]
}

/**
 * recvmsg(2) on a unix socket: bytes into memory at `at`, without waiting, and the descriptors that came
 * with them (unix(7), SCM_RIGHTS).
 *
 * @throws ErrnoError EMFILE when more than {@link DESCRIPTORS_MAX} came along, all of which are closed then.
 */
export function receiveWithDescriptors(fd: number, at: number, length: number): Received {
  prepare(at, length, control.bytes.length)
  const bytes = native.recvmsg(fd, header.address, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)
  if (bytes < 0) return { bytes: unavailable('recvmsg'), descriptors: [] }
  const descriptors = descriptorsIn(Number(header.view.getBigUint64(CONTROL_LENGTH, true)))
  if ((header.view.getUint32(FLAGS, true) & MSG_CTRUNC) !== 0) {
    for (const descriptor of descriptors) discard(descriptor)
    throw new ErrnoError(errno.EMFILE, 'recvmsg')
  }
  return { bytes, descriptors }
}

/**
 * sendmsg(2) of bytes at `at`, with copies of `descriptors`; the caller still owns the originals. It does not
 * wait.
 *
 * @returns how many of the bytes were taken; -1 when the other side's buffers are full.
 */
export function sendWithDescriptors(
  fd: number,
  at: number,
  length: number,
  descriptors: readonly number[],
): number {
  const size = descriptors.length === 0 ? 0 : 16 + descriptors.length * 4
  prepare(at, length, size)
  if (size > 0) {
    control.view.setBigUint64(0, BigInt(size), true)
    control.view.setInt32(8, SOL_SOCKET, true)
    control.view.setInt32(12, SCM_RIGHTS, true)
    for (const [i, descriptor] of descriptors.entries()) {
      control.view.setInt32(16 + i * 4, descriptor, true)
    }
  }
  const sent = native.sendmsg(fd, header.address, MSG_DONTWAIT | MSG_NOSIGNAL)
  return sent >= 0 ? sent : unavailable('sendmsg')
}

function prepare(at: number, length: number, controlLength: number): void {
  header.bytes.fill(0)
  header.view.setBigUint64(16, BigInt(header.address + IOV), true)
  header.view.setBigUint64(24, 1n, true)
  header.view.setBigUint64(IOV, BigInt(at), true)
  header.view.setBigUint64(IOV + 8, BigInt(length), true)
  if (controlLength === 0) return
  header.view.setBigUint64(CONTROL, BigInt(control.address), true)
  // With the padding to a whole number of machine words (cmsg(3), CMSG_SPACE).
  header.view.setBigUint64(CONTROL_LENGTH, BigInt((controlLength + 7) & ~7), true)
}

function descriptorsIn(length: number): number[] {
  const found: number[] = []
  for (let at = 0; at + 16 <= length;) {
    const size = Number(control.view.getBigUint64(at, true))
    const isRights =
      control.view.getInt32(at + 8, true) === SOL_SOCKET &&
      control.view.getInt32(at + 12, true) === SCM_RIGHTS
    if (isRights) {
      for (let i = at + 16; i + 4 <= at + size; i += 4) found.push(control.view.getInt32(i, true))
    }
    at += Math.max(16, (size + 7) & ~7)
  }
  return found
}
