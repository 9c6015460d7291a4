import { ErrnoError, errno } from '../../errno.ts'
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_PATH } from '../../libc/constants.ts'
import { close, openat } from '../../libc/files.ts'
import { threadCredentials } from '../../libc/process.ts'
import { statx } from '../../libc/statx.ts'
import { fromText } from '../../protocol/text.ts'
import type { Node, Tree } from '../tree.ts'
import { isKernelView } from './kernel-views.ts'
import { HostNode } from './node.ts'
import type { HostPolicy } from './policy.ts'

/** A directory of the host as a tree. It owns the root's descriptor and that of /proc/self/fd. */
export class HostTree implements Tree {
  readonly readOnly: boolean
  readonly #root: HostNode
  readonly #descriptors: number

  /**
   * @param directory a path of the host; what it means is settled here, once. A last component that
   *   is a symlink is followed.
   * @throws ENOENT, ENOTDIR, EACCES as openat(2); EINVAL for a file system that is a view of the
   *   kernel, such as /proc.
   */
  constructor(directory: string, policy: HostPolicy) {
    this.readOnly = policy.readOnly
    const fd = openDirectory(fromText(directory))
    try {
      if (isKernelView(fd)) {
        throw new ErrnoError(errno.EINVAL, `${directory} is a view of the kernel, not files`)
      }
      this.#descriptors = openDirectory('/proc/self/fd')
    } catch (error) {
      close(fd)
      throw error
    }
    const context = {
      ...policy,
      credentials: threadCredentials(),
      rootDevice: statx(fd).dev,
      descriptors: this.#descriptors,
    }
    this.#root = new HostNode(context, fd, null, '')
  }

  /** The aname is a path for some servers; here there is one tree, whatever it is called. */
  attach(_aname: string): Node {
    this.#root.retain()
    return this.#root
  }

  close(): void {
    this.#root.release()
    close(this.#descriptors)
  }
}

function openDirectory(path: string): number {
  return openat(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC)
}
