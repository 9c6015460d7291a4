import { ErrnoError, errno } from '../../sys/errno.ts'
import { descriptorLimit } from '../../sys/process.ts'
import { fromText } from '../../util/text.ts'
import type { Later } from '../later.ts'
import type { Attachment, Exports, Tree } from '../tree.ts'
import type { ViewPatterns } from '../view/sight.ts'
import { viewOf } from '../view/view-tree.ts'
import type { ColdReads } from './cold-reads.ts'
import type { HostPolicy } from './policy.ts'
import { fileLimit } from './file-budget.ts'
import { HostTree } from './host-tree.ts'

/** A directory of the host that clients may attach to. Plain data: it is sent to the process that serves it. */
export interface HostExport extends HostPolicy, ViewPatterns {
  /** The name that a client attaches to. `null` for the export of all names that no other export has. */
  readonly name: string | null
  readonly directory: string
}

/** One of several exports cannot be served. */
export class ExportError extends ErrnoError {
  readonly exported: HostExport

  constructor({ errno: number, operation }: ErrnoError, exported: HostExport) {
    super(number, operation)
    this.exported = exported
  }
}

/**
 * Several directories of the host. Each is a tree, and the aname of an attach chooses one. It owns the trees.
 */
export class HostExports implements Exports {
  /** The whole directories, also of exports that show only a part. */
  readonly trees: readonly HostTree[]
  readonly #byName: ReadonlyMap<string, Tree>
  /** The only export, for a client that gives no name, as Linux does without the option aname. */
  readonly #unnamed: Tree | undefined
  /** The export of all names that no other export has. */
  readonly #other: Tree | undefined

  /** @throws ExportError, with HostTree's errno, for the first export that cannot be opened. The others are closed then. */
  constructor(exports: readonly HostExport[], later?: Later, coldReads?: ColdReads) {
    const trees: HostTree[] = []
    const byName = new Map<string, Tree>()
    const views: Tree[] = []
    // All trees together get half of the process's descriptors, and half of its heap.
    const share = {
      descriptors: Math.floor(descriptorLimit() / 2 / exports.length),
      files: Math.floor(fileLimit() / exports.length),
    }
    try {
      for (const exported of exports) {
        const { name, only, hide } = exported
        const tree = openTree(exported, share, later, coldReads)
        trees.push(tree)
        const view = viewOf(tree, { only, hide })
        views.push(view)
        if (name === null) this.#other = view
        else byName.set(fromText(name), view)
      }
    } catch (error) {
      for (const tree of trees) tree.close()
      throw error
    }
    this.trees = trees
    this.#byName = byName
    this.#unnamed = views.length === 1 ? views[0] : undefined
  }

  attach(name: string): Attachment {
    const unnamed = name === '' || name === '/' ? this.#unnamed : undefined
    const tree = this.#byName.get(name) ?? unnamed ?? this.#other
    if (tree === undefined) throw new ErrnoError(errno.ENOENT, 'attach')
    return tree.attach(name)
  }

  close(): void {
    for (const tree of this.trees) tree.close()
  }
}

/** @param share of the descriptors and the heap. @throws ExportError */
function openTree(
  exported: HostExport,
  share: Pick<HostPolicy, 'descriptors' | 'files'>,
  later: Later | undefined,
  coldReads: ColdReads | undefined,
): HostTree {
  const { name: _name, directory, only: _only, hide: _hide, ...policy } = exported
  try {
    return new HostTree(directory, { ...share, ...policy }, later, coldReads)
  } catch (error) {
    throw error instanceof ErrnoError ? new ExportError(error, exported) : error
  }
}
