import { errno } from '../sys/errno.ts'
import type { Denied } from '../sys/seccomp.ts'
import type { SystemCall } from '../sys/system-calls.ts'

/**
 * System calls that a serving process gives up.
 *
 * The list says what is denied and not what is allowed, and a denied call fails instead of killing the
 * process. V8, Node and libc make other calls from release to release, and a server must not end because
 * malloc makes a new one. The list limits the consequences of a bug in this program, such as a wrong
 * descriptor or path.
 */
const always: readonly SystemCall[] = [
  // Other programs and processes. Threads may be started, because V8's platform decides when it needs them.
  'execve',
  'execveat',
  'fork',
  'vfork',
  'clone',
  'ptrace',
  'process_vm_readv',
  'process_vm_writev',
  'process_madvise',
  'process_mrelease',
  'kcmp',
  'pidfd_open',
  'pidfd_getfd',
  'pidfd_send_signal',
  'kill',
  'rt_sigqueueinfo',
  'rt_tgsigqueueinfo',
  // Sockets. Those that listen exist already, and accept4(2) makes those of clients.
  'socket',
  'socketpair',
  'connect',
  'bind',
  'listen',
  // Mounts and namespaces.
  'mount',
  'umount2',
  'pivot_root',
  'chroot',
  'unshare',
  'setns',
  'open_tree',
  'open_tree_attr',
  'move_mount',
  'fsopen',
  'fsconfig',
  'fsmount',
  'fspick',
  'mount_setattr',
  'quotactl',
  'quotactl_fd',
  'swapon',
  'swapoff',
  // The kernel and the machine.
  'bpf',
  'perf_event_open',
  'userfaultfd',
  // Not io_uring_enter(2), which the ring for cold reads needs. That ring can only read.
  'io_uring_setup',
  'io_uring_register',
  'init_module',
  'finit_module',
  'delete_module',
  'kexec_load',
  'kexec_file_load',
  'reboot',
  'add_key',
  'request_key',
  'keyctl',
  'acct',
  'syslog',
  'settimeofday',
  'clock_settime',
  'clock_adjtime',
  'adjtimex',
  'sethostname',
  'setdomainname',
  'iopl',
  'ioperm',
  'modify_ldt',
  'personality',
  'vhangup',
  // Files by their numbers instead of their names, and watching whole file systems.
  'open_by_handle_at',
  'fanotify_init',
  'fanotify_mark',
]

/** System calls that change files. Landlock has no right for some of them, such as chmod(2) and utimensat(2). */
const changes: readonly SystemCall[] = [
  'chmod',
  'fchmod',
  'fchmodat',
  'fchmodat2',
  'chown',
  'fchown',
  'lchown',
  'fchownat',
  'utime',
  'utimes',
  'futimesat',
  'utimensat',
  'truncate',
  'ftruncate',
  'fallocate',
  'creat',
  'setxattr',
  'lsetxattr',
  'fsetxattr',
  'setxattrat',
  'removexattr',
  'lremovexattr',
  'fremovexattr',
  'removexattrat',
  'link',
  'linkat',
  'symlink',
  'symlinkat',
  'mkdir',
  'mkdirat',
  'rmdir',
  'mknod',
  'mknodat',
  'unlink',
  'unlinkat',
  'rename',
  'renameat',
  'renameat2',
  'copy_file_range',
  'file_setattr',
  'pwrite64',
  'pwritev',
  'pwritev2',
]

/**
 * The calls that fail in a serving process, with their errno. @param readOnly whether all of its exports are
 * read-only.
 */
export function deniedCalls(readOnly: boolean): Denied {
  const denied = new Map<SystemCall, number>(always.map((name) => [name, errno.EPERM]))
  // Its flags are in memory, which no filter sees. Where it is missing, libc uses clone.
  denied.set('clone3', errno.ENOSYS)
  if (readOnly) for (const name of changes) denied.set(name, errno.EROFS)
  return denied
}
