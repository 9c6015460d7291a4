import type { Attachment, Node, SavedNodes, Tree } from '../tree.ts'
import { Sight, type ViewPatterns } from './sight.ts'
import { ViewNode } from './view-node.ts'

/**
 * A part of another tree, chosen by patterns. A hidden file is not listed, cannot be looked up, and no file
 * can get its name, whether the tree below has it or not.
 *
 * Some things still give it away: a directory's nlink and times, the space that is used, and the ENOTEMPTY
 * of a directory in which nothing else is left.
 *
 * Patterns match names, byte for byte. A file with a second name that is shown (a hard link) is seen under
 * that one. Where the host's file system finds a file by other spellings as well (vfat, casefold), `hide`
 * does not match those, while `only` still shows nothing but what it matches.
 *
 * The tree below must have one node for each directory that is in use, as a HostTree does.
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

  attach(name: string): Attachment {
    const { node } = this.#inner.attach(name)
    return { tree: this, node: new ViewNode(node, this.#sight, this.#directories) }
  }

  save(nodes: readonly Node[]): SavedNodes {
    return this.#inner.save((nodes as readonly ViewNode[]).map(({ inner }) => inner))
  }

  revive({ places, nodes }: SavedNodes): (Node | null)[] {
    // Also directories that only lead to others: on the way back, what is shown of them must be known.
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

/** `tree` itself where there are no patterns, since a view costs time for each request. */
export function viewOf(tree: Tree, { only, hide }: ViewPatterns): Tree {
  if (only === undefined && (hide === undefined || hide.length === 0)) return tree
  return new ViewTree(tree, { only, hide })
}
