import type { Credentials } from '../../sys/process.ts'
import type { ColdReads } from './cold-reads.ts'
import type { Descriptors } from './descriptors.ts'
import type { FileBudget } from './file-budget.ts'
import type { InodeNumbers } from './identity.ts'
import type { LockTable } from './host-locks.ts'
import type { Owners, Ownership } from './owners.ts'

/** How a host directory is shown. Plain data, so that it can be sent to the thread that serves it. */
export interface HostPolicy {
  readonly readOnly: boolean
  /** The owners of files in the guest. */
  readonly owner: Ownership
  /**
   * Whether reading changes the host's access times: `preserve` leaves them alone wherever the server
   * may; `guest` leaves it to the guest's own O_NOATIME.
   */
  readonly atime: 'preserve' | 'guest'
  /**
   * How many descriptors the tree may hold, at least 16; without it, half of what the process may have.
   * A fid needs none while it is idle, an open file does.
   */
  readonly descriptors?: number
  /** How many files it may remember; without it, as many as fit into half of the thread's heap. */
  readonly files?: number
}

/** What every node of one exported directory shares. */
export interface HostContext extends Omit<HostPolicy, 'descriptors' | 'files' | 'owner'> {
  readonly owners: Owners
  readonly credentials: Credentials
  readonly descriptors: Descriptors
  readonly files: FileBudget
  readonly inodes: InodeNumbers
  /** The device of a file system on which a file's time of birth stays what it is; -1 for none. */
  readonly birthDevice: number
  /** /proc/self/fd, where a name is a descriptor's number and stands for its file (proc(5)). */
  readonly self: number
  /** The locks of its files. */
  readonly locks: LockTable
  /** Undefined where the thread waits for the disk itself. */
  readonly coldReads: ColdReads | undefined
}
