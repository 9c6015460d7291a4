import { ErrnoError, errno } from '../../sys/errno.ts'
import { O_NONBLOCK } from '../../sys/constants.ts'
import { setStatusFlags } from '../../sys/files.ts'
import { TryAgain } from '../try-again.ts'
import type { HostContext } from './policy.ts'

/**
 * Opens a regular file without waiting. open(2) waits for a program that has a lease on the file, for up to 45 seconds
 * (F_SETLEASE of fcntl(2)), and the server with all its clients would wait with it.
 *
 * @param fd an O_PATH descriptor of the file.
 * @param flags of openat(2). With O_NONBLOCK, a lease is EAGAIN.
 * @returns a descriptor, which counts as one of the tree's.
 * @throws TryAgain where the holder of a lease has been asked to give it up.
 */
export function openNow(
  { descriptors, self, later }: Pick<HostContext, 'descriptors' | 'self' | 'later'>,
  fd: number,
  flags: number,
): number {
  if ((flags & O_NONBLOCK) !== 0) return descriptors.open(self, `${fd}`, flags)
  let opened: number
  try {
    opened = descriptors.open(self, `${fd}`, flags | O_NONBLOCK)
  } catch (error) {
    const isLeased = error instanceof ErrnoError && error.errno === errno.EAGAIN
    throw isLeased ? new TryAgain('open', later) : error
  }
  try {
    // With it, io_uring does not wait for the disk on all file systems (io_rw_init_file in io_uring/rw.c).
    setStatusFlags(opened, flags)
    return opened
  } catch (error) {
    descriptors.discard(opened)
    throw error
  }
}
