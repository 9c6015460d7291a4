import type { Attachment, Node, SavedNodes, Tree } from '../tree.ts'
import { Sight, type ViewPatterns } from './sight.ts'
import { ViewNode } from './view-node.ts'

/**
 * A part of another tree, chosen by patterns. What is hidden is not listed, cannot be walked to, and
 * its name cannot be given to anything, whether the tree below has it or not.
 *
 * What still tells of it: a directory's nlink and times, the space that is used, and the ENOTEMPTY
 * of a directory in which nothing else is left.
 *
 * It goes by names, byte for byte: what has a second name that is shown (a hard link) is seen under that,
 * and where the host's file system finds a file by other spellings as well (vfat, casefold), `hide`
 * knows nothing of them, while `only` is as strict as ever.
 *
 * The tree below has to have one node for each directory that is in use, as trees of the host do.
 */
export class ViewTree implements Tree {
  readonly #inner: Tree
  readonly #sight: Sight
  readonly #directories = new WeakMap<Node, Sight>()

  /**
   * @param inner closed with this one.
   * @throws PatternError for a pattern that means nothing; `inner` is not closed then.
   */
  constructor(inner: Tree, patterns: ViewPatterns) {
    this.#inner = inner
    this.#sight = Sight.of(patterns)
  }

  get readOnly(): boolean {
    return this.#inner.readOnly
  }

  attach(aname: string): Attachment {
    const { node } = this.#inner.attach(aname)
    return { tree: this, node: new ViewNode(node, this.#sight, this.#directories) }
  }

  save(nodes: readonly Node[]): SavedNodes {
    return this.#inner.save((nodes as readonly ViewNode[]).map(({ inner }) => inner))
  }

  revive({ places, nodes }: SavedNodes): (Node | null)[] {
    // Also those that only lead to others: the way back needs to know what is shown of them.
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

/** `tree` itself where there are no patterns, so that nobody pays for what hides nothing. */
export function viewOf(tree: Tree, { only, hide }: ViewPatterns): Tree {
  if (only === undefined && (hide === undefined || hide.length === 0)) return tree
  return new ViewTree(tree, { only, hide })
}
