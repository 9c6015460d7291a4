import { ErrnoError, errno } from '../sys/errno.ts'
import type { FusePolicy } from './caching.ts'
import { init } from './wire/flags.ts'
import { IO_BYTES_MAX, MAJOR, MINOR } from './wire/limits.ts'
import type { R, T } from './wire/messages.ts'

/** What client and server have agreed on. */
export interface Features {
  /** The protocol's minor version; 0 before INIT. */
  readonly minor: number
  /** Flags of init in wire/flags.ts. */
  readonly flags: bigint
}

/** Before INIT. */
export const noFeatures: Features = { minor: 0, flags: 0n }

/** How many requests that nobody waits for, such as reading ahead, the client has under way at most. */
const BACKGROUND = 64

/** What is agreed on wherever the client offers it. */
const wanted =
  init.ASYNC_READ |
  init.ATOMIC_O_TRUNC |
  init.BIG_WRITES |
  init.AUTO_INVAL_DATA |
  init.ASYNC_DIO |
  init.PARALLEL_DIROPS |
  init.MAX_PAGES |
  init.HANDLE_KILLPRIV_V2 |
  init.INIT_EXT |
  init.NO_OPEN_SUPPORT |
  init.NO_OPENDIR_SUPPORT

/** @throws EPROTO-like EINVAL for a client older than 7.31, which is the first that virtio-fs had (Linux 5.4). */
export function agree(
  { major, minor, maxReadahead, flags, flags2 }: T<'init'>,
  policy: FusePolicy,
): { readonly features: Features; readonly reply: R<'init'> } {
  if (major < MAJOR || (major === MAJOR && minor < OLDEST_MINOR)) {
    throw new ErrnoError(errno.EINVAL, `protocol ${major}.${minor}`)
  }
  const offered = BigInt(flags) | (BigInt(flags2) << 32n)
  const agreed = offered & wishes(policy)
  const common = {
    maxReadahead: Math.min(maxReadahead, IO_BYTES_MAX),
    flags: Number(agreed & 0xffff_ffffn),
    maxBackground: BACKGROUND,
    congestionThreshold: (BACKGROUND * 3) / 4,
    maxWrite: IO_BYTES_MAX,
    timeGran: 1,
    maxPages: IO_BYTES_MAX / 4096,
    mapAlignment: 0,
    flags2: Number(agreed >> 32n),
  }
  // A client with a later major version sees ours in the reply, and begins anew.
  const known = major === MAJOR ? Math.min(minor, MINOR) : MINOR
  return {
    features: { minor: known, flags: agreed },
    reply: { major: MAJOR, minor: known, ...common },
  }
}

const OLDEST_MINOR = 31

function wishes({ caching, remoteLocks, writeback, acls }: FusePolicy): bigint {
  let flags: bigint = wanted
  if (caching !== 'none') flags |= init.DO_READDIRPLUS | init.CACHE_SYMLINKS
  if (caching === 'mmap') flags |= init.READDIRPLUS_AUTO
  if (caching === 'none') flags |= init.DIRECT_IO_ALLOW_MMAP
  if (remoteLocks) flags |= init.POSIX_LOCKS | init.FLOCK_LOCKS
  if (writeback === true) flags |= init.WRITEBACK_CACHE
  if (acls === true) flags |= init.POSIX_ACL | init.DONT_MASK
  return flags
}
