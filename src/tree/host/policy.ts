import type { Credentials } from '../../libc/process.ts'

/** How a host directory is shown. Plain data, so that it can be sent to the engine's thread. */
export interface HostPolicy {
  readonly readOnly: boolean
  /**
   * Whom files belong to in the guest: `host` shows the host's numbers and passes changes on;
   * a pair shows every file as that user's and group's, and takes changes of ownership without effect.
   */
  readonly owner: 'host' | { readonly uid: number; readonly gid: number }
  /**
   * Whether reading changes the host's access times: `preserve` leaves them alone wherever the server
   * may; `guest` leaves it to the guest's own O_NOATIME.
   */
  readonly atime: 'preserve' | 'guest'
}

/** What every node of one exported directory shares. */
export interface HostContext extends HostPolicy {
  readonly credentials: Credentials
  /** The device that holds the export's root, see identity.ts. */
  readonly rootDevice: number
  /** /proc/self/fd, where a name is a descriptor's number and stands for its file (proc(5)). */
  readonly descriptors: number
}
