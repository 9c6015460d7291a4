import { ErrnoError } from '../sys/errno.ts'
import type { Node, SavedNodes, SavedPlace } from './tree.ts'

/** The place of a node, and what identifies its file. */
export interface Described<N> {
  /** Its directory; null for the root. */
  readonly above: N | null
  readonly name: string
  readonly identity: string
}

/** The index of a node that no name leads to. */
const NOWHERE = -1

/**
 * Nodes and all directories above them, each once.
 *
 * @param describe returns undefined for a node that no name leads to. Then no name leads to anything below it
 *   either.
 */
export function savedNodes<N>(
  nodes: readonly N[],
  describe: (node: N) => Described<N> | undefined,
): SavedNodes {
  const places: SavedPlace[] = []
  const indexes = new Map<N, number>()

  const indexOf = (node: N): number => {
    // Up to the nearest directory that has its place, and down again. Not recursive, since a guest may make
    // directories as deep as it likes.
    const way: { readonly node: N; readonly found: Described<N> | undefined }[] = []
    let index: number | undefined
    for (let at: N | null = node; at !== null && index === undefined;) {
      const found: Described<N> | undefined = describe(at)
      way.push({ node: at, found })
      if (found === undefined) break
      at = found.above
      if (at !== null) index = indexes.get(at)
    }
    for (let step = way.pop(); step !== undefined; step = way.pop()) {
      const { found } = step
      const isLost = found === undefined || (found.above !== null && index === NOWHERE)
      if (isLost) index = NOWHERE
      else
        index =
          places.push({ above: index ?? NOWHERE, name: found.name, identity: found.identity }) - 1
      indexes.set(step.node, index)
    }
    return index ?? NOWHERE
  }

  return { places, nodes: nodes.map((node) => indexes.get(node) ?? indexOf(node)) }
}

/**
 * The nodes that {@link savedNodes} has described; null for each that cannot be found.
 *
 * @param find returns the node of a place, with one use; `above` is null for the root. It throws an
 *   ErrnoError for a node that cannot be found.
 */
export function revivedNodes<N extends Node>(
  { places, nodes }: SavedNodes,
  find: (place: SavedPlace, above: N | null) => N,
): (N | null)[] {
  const found: (N | null)[] = []
  try {
    for (const place of places) found.push(reached(place, found, find))
    return nodes.map((index) => {
      const node = found[index] ?? null
      node?.retain()
      return node
    })
  } finally {
    for (const node of found) node?.release()
  }
}

function reached<N extends Node>(
  place: SavedPlace,
  found: readonly (N | null)[],
  find: (place: SavedPlace, above: N | null) => N,
): N | null {
  const above = found[place.above] ?? null
  if (above === null && place.above !== NOWHERE) return null
  try {
    return find(place, above)
  } catch (error) {
    if (error instanceof ErrnoError) return null
    throw error
  }
}
