import { ErrnoError, errno } from '../../sys/errno.ts'
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_PATH } from '../../sys/constants.ts'
import { fstatfs } from '../../sys/files.ts'
import { descriptorLimit, threadCredentials } from '../../sys/process.ts'
import { statx } from '../../sys/statx.ts'
import { fromText } from '../../util/text.ts'
import { revivedNodes, savedNodes } from '../saved-nodes.ts'
import { type Later, laterOnEventLoop } from '../later.ts'
import type { Attachment, Node, SavedNodes, Tree } from '../tree.ts'
import type { ColdReads } from './cold-reads.ts'
import { Births } from './births.ts'
import { Descriptors } from './descriptors.ts'
import { FileBudget, fileLimit } from './file-budget.ts'
import { InodeNumbers } from './identity.ts'
import { isKernelView } from './kernel-views.ts'
import { LockTable } from './host-locks.ts'
import { MappedNode } from './mapped-node.ts'
import { HostNode } from './node.ts'
import { ownersOf } from './owners.ts'
import type { HostContext, HostPolicy } from './policy.ts'
import { isStorable } from './stored-attributes.ts'
import { keepsAcls } from './xattrs.ts'

/** The fewest descriptors that a tree can work with. */
const LEAST = 16

/** A directory of the host as a tree. It owns the root's descriptor and that of /proc/self/fd. */
export class HostTree implements Tree {
  readonly readOnly: boolean
  /** The directory itself; it belongs to the tree. */
  readonly descriptor: number
  readonly #root: HostNode
  readonly #context: HostContext

  /**
   * @param directory a path of the host. It is resolved here, once; if its last component is a symlink, that
   *   is followed.
   * @throws ENOENT, ENOTDIR, EACCES as openat(2); EINVAL for a file system that is a view of the kernel, such
   *   as /proc; EOPNOTSUPP for `mapped-xattr` if the file system keeps no extended attributes, and
   *   for `acls` if it keeps no ACLs.
   * @param later how the program that serves the tree sets timers.
   * @param coldReads how it reads what is not in the page cache. Without it, the program waits for the disk.
   * @param now the host's clock, see births.ts.
   */
  constructor(
    directory: string,
    policy: HostPolicy,
    later: Later = laterOnEventLoop,
    coldReads?: ColdReads,
    now: () => number = Date.now,
  ) {
    this.readOnly = policy.readOnly
    const credentials = threadCredentials()
    const descriptors = new Descriptors(
      Math.max(LEAST, policy.descriptors ?? Math.floor(descriptorLimit() / 2)),
      later,
    )
    const fd = openDirectory(descriptors, fromText(directory))
    let self = -1
    try {
      const { type } = fstatfs(fd)
      if (isKernelView(type)) {
        throw new ErrnoError(errno.EINVAL, `${directory} is a view of the kernel, not files`)
      }
      if (policy.owner === 'mapped-xattr' && !isStorable(fd)) {
        const what = `${directory} is where no user attributes are kept, which mapped-xattr needs`
        throw new ErrnoError(errno.EOPNOTSUPP, what)
      }
      const acls =
        policy.acls === true && (policy.owner === 'host' || policy.owner === 'mapped-xattr')
      if (acls && policy.owner === 'host' && !keepsAcls(fd)) {
        throw new ErrnoError(errno.EOPNOTSUPP, `${directory} is where no ACLs are kept`)
      }
      const { dev } = statx(fd)
      self = openDirectory(descriptors, '/proc/self/fd')
      const births = new Births(now)
      births.learn(dev, type)
      this.#context = {
        readOnly: policy.readOnly,
        atime: policy.atime,
        acls,
        owners: ownersOf(policy.owner),
        credentials,
        descriptors,
        files: new FileBudget(policy.files ?? fileLimit()),
        inodes: new InodeNumbers(dev),
        births,
        self,
        locks: new LockTable(
          descriptors,
          self,
          policy.readOnly,
          later,
          policy.lockScope ?? (policy.readOnly ? 'guests' : 'host'),
        ),
        // The host's programs do not see these: through one descriptor it could be shown one lock alone, and not which
        // clients share it.
        flocks: new LockTable(descriptors, self, policy.readOnly, later, 'guests'),
        later,
        coldReads,
      }
      const kind = policy.owner === 'mapped-xattr' ? MappedNode : HostNode
      this.#root = kind.root(this.#context, fd)
      this.descriptor = fd
    } catch (error) {
      descriptors.discard(fd)
      if (self >= 0) descriptors.discard(self)
      throw error
    }
  }

  get opensAll(): boolean {
    return this.#context.credentials.readsAll
  }

  /** Some servers take the name as a path. Here it is ignored, since there is one tree. */
  attach(_name: string): Attachment {
    this.#root.retain()
    return { tree: this, node: this.#root }
  }

  save(nodes: readonly Node[]): SavedNodes {
    return savedNodes(nodes as readonly HostNode[], (node) => node.describe())
  }

  revive(saved: SavedNodes): (Node | null)[] {
    return revivedNodes(saved, ({ name, identity }, above: HostNode | null) =>
      above === null ? this.#root.recall(identity) : above.revive(name, identity),
    )
  }

  close(): void {
    this.#root.release()
    const { descriptors, self } = this.#context
    descriptors.discard(self)
  }
}

function openDirectory(descriptors: Descriptors, path: string): number {
  return descriptors.open(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC)
}
