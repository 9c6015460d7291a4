import { ErrnoError, errno } from '../../sys/errno.ts'
import {
  O_APPEND,
  O_CLOEXEC,
  O_DIRECTORY,
  O_DSYNC,
  O_EXCL,
  O_NOATIME,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  O_SYNC,
  O_TRUNC,
  O_WRONLY,
} from '../../sys/constants.ts'
import { openFlags as open } from '../flags.ts'
import type { HostContext } from './policy.ts'

const access = new Map<number, number>([
  [open.RDONLY, O_RDONLY],
  [open.WRONLY, O_WRONLY],
  [open.RDWR, O_RDWR],
])

/**
 * The generic flags that have an effect on the host, each with the host's value. Architectures disagree about
 * the numbers (x86's O_DIRECTORY is arm's O_DIRECT).
 *
 * Other flags are dropped: CREAT (only Names.create creates), NOCTTY and FASYNC (the server opens no
 * terminals and wants no signals), DIRECT (the server's buffers are not aligned), LARGEFILE (always in
 * effect), and NOATIME, which {@link hostFlags} decides.
 */
const translated: readonly (readonly [number, number])[] = [
  [open.EXCL, O_EXCL],
  [open.TRUNC, O_TRUNC],
  [open.APPEND, O_APPEND],
  [open.NONBLOCK, O_NONBLOCK],
  [open.DSYNC, O_DSYNC],
  [open.DIRECTORY, O_DIRECTORY],
  [open.NOFOLLOW, O_NOFOLLOW],
  // O_SYNC contains O_DSYNC's bit on both sides.
  [open.SYNC, O_SYNC],
]

/**
 * The host's flags for the generic flags of a client's open.
 *
 * O_NOATIME is set only if the kernel grants it (`mayNoatime`), and is dropped otherwise, as NFS does. A
 * guest's overlayfs sets it on every lower file since Linux 4.19. The guest's root may do so, but the server
 * would get EPERM for another user's file (open(2)).
 *
 * @throws EINVAL for an unknown access mode.
 */
export function hostFlags(generic: number, context: HostContext, mayNoatime: boolean): number {
  const mode = access.get(generic & open.ACCMODE)
  if (mode === undefined) throw new ErrnoError(errno.EINVAL, 'open access mode')
  let flags = mode | O_CLOEXEC
  for (const [theirs, ours] of translated) {
    if ((generic & theirs) === theirs) flags |= ours
  }
  // A client that caches writes (Linux since 6.3) opens for reading and writing, and sends whole pages with
  // their offsets. The client has appended already, so the host must not append.
  if (mode === O_RDWR) flags &= ~O_APPEND
  const wanted = context.atime === 'preserve' || (generic & open.NOATIME) !== 0
  if (wanted && mayNoatime) flags |= O_NOATIME
  return flags
}

/**
 * Whether the kernel grants this thread O_NOATIME on a file of `owner` (inode_owner_or_capable in
 * fs/inode.c).
 */
export function mayUseNoatime(owner: number, { credentials }: HostContext): boolean {
  return owner === credentials.uid || credentials.fowner
}
