import { ErrnoError, errno } from './errno.ts'
import { call, lastErrno, raw } from './ffi.ts'
import { close } from './files.ts'
import { systemMemory } from './system-memory.ts'

/**
 * landlock(7): threads give up, for ever, the right to open or change files outside of chosen directories.
 * libc has no functions for it. The numbers of its system calls are the same on every architecture.
 */
const create = raw('int', 'syscall', 'int64', 'pointer', 'size', 'uint32')
const addRule = call('int', 'syscall', 'int64', 'int', 'int', 'pointer', 'uint32')
const restrictSelf = call('int', 'syscall', 'int64', 'int', 'uint32')

const CREATE_RULESET = 444
const ADD_RULE = 445
const RESTRICT_SELF = 446
const CREATE_RULESET_VERSION = 1
const RULE_PATH_BENEATH = 1
/** LANDLOCK_RESTRICT_SELF_TSYNC: all threads of the process, and the ABI that has it (Linux 7.0). */
const RESTRICT_SELF_TSYNC = 1 << 3
const TSYNC_ABI = 8

/** Rights to files and directories (LANDLOCK_ACCESS_FS_… in include/uapi/linux/landlock.h). */
export const access = {
  EXECUTE: 1 << 0,
  WRITE_FILE: 1 << 1,
  READ_FILE: 1 << 2,
  READ_DIR: 1 << 3,
  REMOVE_DIR: 1 << 4,
  REMOVE_FILE: 1 << 5,
  MAKE_CHAR: 1 << 6,
  MAKE_DIR: 1 << 7,
  MAKE_REG: 1 << 8,
  MAKE_SOCK: 1 << 9,
  MAKE_FIFO: 1 << 10,
  MAKE_BLOCK: 1 << 11,
  MAKE_SYM: 1 << 12,
  /** Links and renames between directories. */
  REFER: 1 << 13,
  TRUNCATE: 1 << 14,
  IOCTL_DEV: 1 << 15,
  RESOLVE_UNIX: 1 << 16,
} as const

/** LANDLOCK_ACCESS_NET_BIND_TCP and _CONNECT_TCP. */
const NET = 0b11
/** LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET and _SIGNAL. */
const SCOPES = 0b11

/**
 * The ABI version that introduced each group of bits. For bits that the kernel does not know it answers
 * EINVAL.
 */
const since: readonly {
  readonly abi: number
  readonly fs?: number
  readonly rest?: 'net' | 'scopes'
}[] = [
  { abi: 1, fs: access.REFER - 1 },
  { abi: 2, fs: access.REFER },
  { abi: 3, fs: access.TRUNCATE },
  { abi: 4, rest: 'net' },
  { abi: 5, fs: access.IOCTL_DEV },
  { abi: 6, rest: 'scopes' },
  { abi: 9, fs: access.RESOLVE_UNIX },
]

/** What a ruleset can forbid on a kernel with this ABI. */
export function handledBy(abi: number): {
  readonly fs: number
  readonly net: number
  readonly scopes: number
} {
  let fs = 0
  let net = 0
  let scopes = 0
  for (const step of since) {
    if (step.abi > abi) break
    fs |= step.fs ?? 0
    if (step.rest === 'net') net = NET
    if (step.rest === 'scopes') scopes = SCOPES
  }
  return { fs, net, scopes }
}

/** The version of Landlock on this kernel; 0 if there is none or it is switched off. */
export function landlockAbi(): number {
  return Math.max(0, create(CREATE_RULESET, 0, 0, CREATE_RULESET_VERSION))
}

/** The rights that stay beneath a directory. */
export interface LandlockRule {
  /** A descriptor of the directory. O_PATH is enough. */
  readonly directory: number
  /** Bits of {@link access}. Rights that this kernel does not know are allowed in any case. */
  readonly rights: number
}

// struct landlock_ruleset_attr: handled_access_fs[8] handled_access_net[8] scoped[8]. A kernel with a shorter struct accepts
// this one if the rest is 0.
const ruleset = systemMemory(24)
// struct landlock_path_beneath_attr, packed: allowed_access[8] parent_fd[4].
const beneath = systemMemory(16)

/**
 * Restricts the calling thread to what `rules` allow. Threads and processes that it starts later inherit the restriction;
 * threads that there are already get it from Linux 7.0 on (ABI 8), and before that they do not. TCP ports, abstract sockets and signals are denied altogether. Files that
 * are open already stay usable. The thread needs no_new_privs or CAP_SYS_ADMIN.
 *
 * @throws ErrnoError EOPNOTSUPP without Landlock, E2BIG when 16 such restrictions are stacked already, EPERM.
 */
export function restrictThread(rules: readonly LandlockRule[]): void {
  const abi = landlockAbi()
  const handled = handledBy(abi)
  if (handled.fs === 0) throw new ErrnoError(errno.EOPNOTSUPP, 'landlock_create_ruleset')
  ruleset.view.setBigUint64(0, BigInt(handled.fs), true)
  ruleset.view.setBigUint64(8, BigInt(handled.net), true)
  ruleset.view.setBigUint64(16, BigInt(handled.scopes), true)
  const flags = abi >= TSYNC_ABI ? RESTRICT_SELF_TSYNC : 0
  const fd = create(CREATE_RULESET, ruleset.address, 24, 0)
  if (fd < 0) throw new ErrnoError(lastErrno(), 'landlock_create_ruleset')
  try {
    for (const { directory, rights } of rules) {
      beneath.view.setBigUint64(0, BigInt(rights & handled.fs), true)
      beneath.view.setInt32(8, directory, true)
      named('landlock_add_rule', () => addRule(ADD_RULE, fd, RULE_PATH_BENEATH, beneath.address, 0))
    }
    named('landlock_restrict_self', () => restrictSelf(RESTRICT_SELF, fd, flags))
  } finally {
    close(fd)
  }
}

/** Gives an ErrnoError the name of the call, where libc has only syscall(2). */
function named(name: string, act: () => void): void {
  try {
    act()
  } catch (error) {
    throw error instanceof ErrnoError ? new ErrnoError(error.errno, name) : error
  }
}
