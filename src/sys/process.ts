import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { call } from './ffi.ts'
import { systemMemory } from './system-memory.ts'

const CAP_CHOWN = 0
const CAP_DAC_OVERRIDE = 1
const CAP_DAC_READ_SEARCH = 2
const CAP_FOWNER = 3
const CAP_FSETID = 4
/** The same on x86-64 and aarch64. */
const RLIMIT_NOFILE = 7

const getrlimit = call('int', 'getrlimit', 'int', 'pointer')
const limit = systemMemory(16)
const prctl = call('int', 'prctl', 'int', 'size', 'size', 'size', 'size')

const setHandler = call('long', 'signal', 'int', 'pointer')

const PR_SET_PDEATHSIG = 1
const PR_SET_NO_NEW_PRIVS = 38
/** SIG_IGN of signal(2). */
const IGNORE = 1

/**
 * From now on the kernel kills this process when the thread that has started it ends (PR_SET_PDEATHSIG), also while it waits
 * in a system call. If that thread has ended already, nothing happens.
 */
export function dieWithParent(): void {
  prctl(PR_SET_PDEATHSIG, constants.signals.SIGKILL, 0, 0, 0)
}

/** From now on the process ignores these signals, whatever Node has set up for them: signal(2) with SIG_IGN. */
export function ignoreSignals(...signals: readonly NodeJS.Signals[]): void {
  for (const signal of signals) setHandler(constants.signals[signal], IGNORE)
}

/** How many descriptors this process may have: getrlimit(2)'s soft RLIMIT_NOFILE. */
export function descriptorLimit(): number {
  getrlimit(RLIMIT_NOFILE, limit.address)
  // RLIM_INFINITY becomes a large number, which is what it means.
  return Number(limit.view.getBigUint64(0, true))
}

/**
 * From now on, programs that the calling thread executes gain no rights from setuid bits or file capabilities
 * (PR_SET_NO_NEW_PRIVS). Threads and processes that it starts inherit this. Other threads of the process do not, until a
 * filter comes with it (seccomp.ts).
 */
export function setNoNewPrivileges(): void {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

/** The credentials by which the kernel checks permissions for the calling thread. */
export interface Credentials {
  readonly uid: number
  readonly gid: number
  /** The bits that the kernel clears in the mode of files that this thread makes. */
  readonly umask: number
  /** CAP_FOWNER: the thread may act as the owner of any file. */
  readonly fowner: boolean
  /** CAP_FSETID: its writes do not clear setuid and setgid bits. */
  readonly fsetid: boolean
  /** CAP_CHOWN: may give files away. */
  readonly chown: boolean
  /** CAP_DAC_READ_SEARCH or CAP_DAC_OVERRIDE over the files of all users: may read any file. */
  readonly readsAll: boolean
}

/** The calling thread's effective ids and capabilities (proc(5), /proc/thread-self/status). */
export function threadCredentials(): Credentials {
  const status = readFileSync('/proc/thread-self/status', 'latin1')
  const field = (name: string): string[] =>
    new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1]?.split(/\s+/) ?? []
  const capabilities = BigInt(`0x${field('CapEff')[0] ?? '0'}`)
  const has = (capability: number): boolean => ((capabilities >> BigInt(capability)) & 1n) === 1n
  return {
    // Permission checks use the file system ids, the fourth number of each line.
    uid: Number(field('Uid')[3]),
    gid: Number(field('Gid')[3]),
    umask: Number.parseInt(field('Umask')[0] ?? '0', 8),
    fowner: has(CAP_FOWNER),
    fsetid: has(CAP_FSETID),
    chown: has(CAP_CHOWN),
    readsAll: (has(CAP_DAC_READ_SEARCH) || has(CAP_DAC_OVERRIDE)) && mapsAllUsers(),
  }
}

/** Whether this user namespace has all users. In another one, capabilities do not hold over files of users that it lacks. */
function mapsAllUsers(): boolean {
  return /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/thread-self/uid_map', 'latin1'))
}
