import { readFileSync } from 'node:fs'
import { call, raw } from './ffi.ts'
import { systemMemory } from './system-memory.ts'

/** unshare(2)'s CLONE_FS: umask, working directory and root of this thread become its own. */
const CLONE_FS = 0x200
const CAP_CHOWN = 0
const CAP_FOWNER = 3
const CAP_FSETID = 4
/** The same on x86-64 and aarch64. */
const RLIMIT_NOFILE = 7

const unshare = call('int', 'unshare', 'int')
const getrlimit = call('int', 'getrlimit', 'int', 'pointer')
const limit = systemMemory(16)
const umask = raw('int', 'umask', 'uint32')
const prctl = call('int', 'prctl', 'int', 'size', 'size', 'size', 'size')

const PR_SET_NO_NEW_PRIVS = 38

/**
 * Gives the calling thread its own umask of 0, since clients have applied the guest's umask already. Other threads of the
 * process keep theirs.
 *
 * @throws ErrnoError EPERM where a container's seccomp filter forbids unshare(2); the umask then stays, and
 *   {@link Credentials.umask} says which bits have to be set afterwards.
 */
export function clearThreadUmask(): void {
  unshare(CLONE_FS)
  umask(0)
}

/** How many descriptors this process may have: getrlimit(2)'s soft RLIMIT_NOFILE. */
export function descriptorLimit(): number {
  getrlimit(RLIMIT_NOFILE, limit.address)
  // RLIM_INFINITY becomes a large number, which is what it means.
  return Number(limit.view.getBigUint64(0, true))
}

/**
 * From now on, programs that the calling thread executes gain no rights from setuid bits or file capabilities
 * (PR_SET_NO_NEW_PRIVS). Other threads of the process are not affected; threads and processes that this one
 * starts inherit it.
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
  }
}
