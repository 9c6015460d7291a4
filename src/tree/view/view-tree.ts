import type { Attachment, Node, SavedNodes, Tree } from '../tree.ts'
import { Sight, type ViewPatterns } from './sight.ts'
import { ViewNode } from './view-node.ts'

/**
 * A part of another tree, chosen by patterns. A hidden file is not listed and cannot be looked up. No file
 * can get its name, whether the tree below has it or not.
 *
 * Some things still reveal it: the nlink and the times of a directory, the space that is used, and the
 * ENOTEMPTY of a directory in which only hidden files are left.
 *
 * Patterns match names, byte for byte. A file with several names (hard links) is visible under those that are
 * shown. Where the host's file system accepts other spellings of a name (vfat, casefold), `hide` does not
 * match those. `only` shows what it matches and nothing else even there.
 *
 * The tree below must have one node for each directory that is in use, as a HostTree does.
 */
export class ViewTree implements Tree {
  readonly #inner: Tree
  readonly #sight: Sight
  readonly #directories = new WeakMap<Node, Sight>()

  /**
   * @param inner is closed with this one. @throws PatternError for a pattern that means nothing; `inner` is
   *   not closed then.
   */
  constructor(inner: Tree, patterns: ViewPatterns) {
    this.#inner = inner
    this.#sight = Sight.of(patterns)
  }

  get readOnly(): boolean {
    return this.#inner.readOnly
  }

  get opensAll(): boolean {
    return this.#inner.opensAll === true
  }

  attach(name: string): Attachment {
    const { node } = this.#inner.attach(name)
    return { tree: this, node: new ViewNode(node, this.#sight, this.#directories) }
  }

  save(nodes: readonly Node[]): SavedNodes {
    return this.#inner.save((nodes as readonly ViewNode[]).map(({ inner }) => inner))
  }

  revive({ places, nodes }: SavedNodes): (Node | null)[] {
    // Also directories that are shown only because they lead to others: a walk to `..` needs their sight.
    const inner = this.#inner.revive({ places, nodes: places.map((_, index) => index) })
    const sights: (Sight | null)[] = []
    for (const { above, name } of places) {
      const from = sights[above]
      sights.push(above < 0 ? this.#sight : (from?.at(name) ?? null))
      const directory = inner[above]
      if (from && directory) this.#directories.set(directory, from)
    }
    const shown = nodes.map((index) => {
      const [node, sight] = [inner[index], sights[index]]
      if (!node || !sight || !(sight.shown || node.isDirectory)) return null
      node.retain()
      return new ViewNode(node, sight, this.#directories)
    })
    for (const node of inner) node?.release()
    return shown
  }

  close(): void {
    this.#inner.close()
  }
}

/** Returns `tree` itself without patterns, since a view costs time for each request. */
export function viewOf(tree: Tree, { only, hide }: ViewPatterns): Tree {
  if (only === undefined && (hide === undefined || hide.length === 0)) return tree
  return new ViewTree(tree, { only, hide })
}
