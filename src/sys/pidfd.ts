import { call } from './ffi.ts'
import { systemCalls } from './system-calls.ts'

/** System calls by number: glibc has functions for them only since 2.36. */
const pidfdOpen = call('long', 'syscall', 'int64', 'int64', 'int64')
const pidfdSendSignal = call('long', 'syscall', 'int64', 'int64', 'int64', 'int64', 'int64')

const arch = process.arch === 'arm64' ? 'arm64' : 'x64'

/**
 * pidfd_open(2), since Linux 5.3: a descriptor of a process, which never stands for another one that gets the same pid. It is
 * closed on exec.
 *
 * @throws ErrnoError ESRCH where there is no such process.
 */
export function openProcess(pid: number): number {
  return pidfdOpen(systemCalls.pidfd_open[arch], pid, 0)
}

/** pidfd_send_signal(2). @throws ErrnoError ESRCH where the process has ended. */
export function signalProcess(pidfd: number, signal: number): void {
  pidfdSendSignal(systemCalls.pidfd_send_signal[arch], pidfd, signal, 0, 0)
}
