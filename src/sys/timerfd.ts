import { ErrnoError, errno } from './errno.ts'
import { call, lastErrno, raw } from './ffi.ts'
import { close } from './files.ts'
import { systemMemory } from './system-memory.ts'

const CLOCK_MONOTONIC = 1
const TFD_CLOEXEC = 0o2000000
const TFD_NONBLOCK = 0o4000

const native = {
  create: call('int', 'timerfd_create', 'int', 'int'),
  settime: call('int', 'timerfd_settime', 'int', 'int', 'pointer', 'pointer'),
  read: raw('long', 'read', 'int', 'pointer', 'size'),
}

/** struct itimerspec: it_interval[16] it_value[16], each of tv_sec[8] tv_nsec[8]; here only once. */
const time = systemMemory(32)
const expirations = systemMemory(8)

/** A timer with a descriptor, not set yet: timerfd_create(2). */
export function createTimerfd(): number {
  return native.create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)
}

/** Makes the descriptor readable once, after so many milliseconds, and after 1 ns at the least. */
export function setTimerfd(fd: number, milliseconds: number): void {
  const nanoseconds = Math.max(1, Math.ceil(milliseconds * 1e6))
  time.view.setBigInt64(16, BigInt(Math.floor(nanoseconds / 1e9)), true)
  time.view.setBigInt64(24, BigInt(nanoseconds % 1e9), true)
  native.settime(fd, 0, time.address, 0)
}

/** Makes the descriptor unreadable until the timer is due again. */
export function drainTimerfd(fd: number): void {
  if (native.read(fd, expirations.address, 8) >= 0) return
  const number = lastErrno()
  // EAGAIN: the descriptor was not readable.
  if (number !== errno.EAGAIN) throw new ErrnoError(number, 'read')
}

export { close as closeTimerfd }
