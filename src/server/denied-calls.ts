import { errno } from '../sys/errno.ts'
import type { Denied } from '../sys/seccomp.ts'
import type { SystemCall } from '../sys/system-calls.ts'

/**
 * System calls that the engine thread gives up. It is a list of what is forbidden, not of what is
 * allowed, and a forbidden call fails instead of killing: below the thread lie V8, Node and whichever
 * libc there is, whose calls change from release to release, and a filter that ends a server because
 * its malloc has learnt a new call protects nobody. It could not be a wall in any case: the thread
 * shares its memory with others that are not restricted. What it does is to end the way of a mistake
 * in this program's own logic, such as a descriptor or a path that is not what it should be.
 *
 * Not here: setuid(2) and its kin. When the main thread changes its user, libc makes every thread do
 * the same, and aborts the process if one of them cannot.
 */
const always: readonly SystemCall[] = [
  // Other programs and processes. Threads may be started: V8's platform decides when it needs them.
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
  // Sockets: those it listens on are there, and those of clients come from them.
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
  // The ring that there is can do nothing but read, and io_uring_enter(2) is how it is asked to.
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
  // Files by their number instead of their name, and watching whole file systems.
  'open_by_handle_at',
  'fanotify_init',
  'fanotify_mark',
]

/** What changes files: Landlock knows no right for some of these, such as chmod(2) and utimensat(2). */
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

/** The calls that fail in a thread which serves nothing that may be changed, or something. */
export function deniedCalls(readOnly: boolean): Denied {
  const denied = new Map<SystemCall, number>(always.map((name) => [name, errno.EPERM]))
  // Its flags lie in memory, where no filter sees them; a libc that is told it is missing uses clone.
  denied.set('clone3', errno.ENOSYS)
  if (readOnly) for (const name of changes) denied.set(name, errno.EROFS)
  return denied
}
