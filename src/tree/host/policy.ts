import type { Credentials } from '../../sys/process.ts'
import type { Later } from '../later.ts'
import type { Births } from './births.ts'
import type { ColdReads } from './cold-reads.ts'
import type { Descriptors } from './descriptors.ts'
import type { FileBudget } from './file-budget.ts'
import type { InodeNumbers } from './identity.ts'
import type { LockTable } from './host-locks.ts'
import type { Owners, Ownership } from './owners.ts'

/**
 * How a directory of the host is exported. Plain data, so that it can be sent to the process that serves it.
 */
export interface HostPolicy {
  readonly readOnly: boolean
  /** The owners of files in the guest. */
  readonly owner: Ownership
  /**
   * Whether reading changes the host's access times. `preserve`: it does not, wherever the server may prevent
   * it. `guest`: it does, unless the guest opens with O_NOATIME.
   */
  readonly atime: 'preserve' | 'guest'
  /**
   * Whether guests may read and set POSIX ACLs: the host's own, or with `mapped-xattr` ones that are stored. With other owners
   * they are never supported, since they contain ids. Default: false, and a guest gets EOPNOTSUPP. A guest has to mount with
   * `posixacl` to make use of them.
   */
  readonly acls?: boolean | undefined
  /**
   * Whom the locks of guests keep out. `guests`: each other; the host's programs see no lock of a guest, and guests see none
   * of theirs. `host`: also the host's programs, and these keep out guests. Default: `guests` if read-only, else `host`.
   */
  readonly lockScope?: 'guests' | 'host' | undefined
  /**
   * The most descriptors that the tree may hold, at least 16. Default: half of those that the process may
   * have. An open file needs one; a fid that is idle needs none.
   */
  readonly descriptors?: number
  /** The most files that it may remember. Default: as many as fit into half of the heap. */
  readonly files?: number
}

/** What all nodes of an exported directory share. */
export interface HostContext extends Omit<
  HostPolicy,
  'acls' | 'descriptors' | 'files' | 'lockScope' | 'owner'
> {
  readonly acls: boolean
  readonly owners: Owners
  readonly credentials: Credentials
  readonly descriptors: Descriptors
  readonly files: FileBudget
  readonly inodes: InodeNumbers
  readonly births: Births
  /** A descriptor of /proc/self/fd, in which each name is a descriptor's number (proc(5)). */
  readonly self: number
  /** The locks of its files. */
  readonly locks: LockTable
  /** Their locks of flock(2), where clients tell them apart. */
  readonly flocks: LockTable
  /** Sets a timer. */
  readonly later: Later
  /** Undefined if the program waits for the disk itself. */
  readonly coldReads: ColdReads | undefined
}
