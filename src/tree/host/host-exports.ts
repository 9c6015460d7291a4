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

/**
 * Which of several exports a client gets.
 *
 * @param names those of the exports.
 * @param aname the name that the client attaches to, a byte string.
 * @returns an index; -1 for none.
 */
export function exportNamed(names: readonly (string | null)[], aname: string): number {
  const named = names.findIndex((name) => name !== null && fromText(name) === aname)
  if (named >= 0) return named
  // Linux gives an empty name without the option aname.
  if (names.length === 1 && (aname === '' || aname === '/')) return 0
  return names.indexOf(null)
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
  readonly #names: readonly (string | null)[]
  /** What each export shows of its tree. */
  readonly #views: readonly Tree[]

  /** @throws ExportError, with HostTree's errno, for the first export that cannot be opened. The others are closed then. */
  constructor(exports: readonly HostExport[], later?: Later, coldReads?: ColdReads) {
    const trees: HostTree[] = []
    const views: Tree[] = []
    // All trees together get half of the process's descriptors, and half of its heap.
    const share = {
      descriptors: Math.floor(descriptorLimit() / 2 / exports.length),
      files: Math.floor(fileLimit() / exports.length),
    }
    try {
      for (const exported of exports) {
        const { only, hide } = exported
        const tree = openTree(exported, share, later, coldReads)
        trees.push(tree)
        views.push(viewOf(tree, { only, hide }))
      }
    } catch (error) {
      for (const tree of trees) tree.close()
      throw error
    }
    this.trees = trees
    this.#names = exports.map(({ name }) => name)
    this.#views = views
  }

  attach(name: string): Attachment {
    const tree = this.#views[exportNamed(this.#names, name)]
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
