/** Counts the work of a lock table, so that each piece of it has a bound: see {@link IntervalTree}. */
export class Work {
  /** One for each node of a tree that was looked at; other work counts as so many of these. */
  steps = 0
}

/** An interval of a tree; `end` belongs to it. */
export interface Interval {
  readonly start: bigint
  readonly end: bigint
  /** Tells intervals with the same start apart. */
  readonly id: number
}

class TreeNode<T extends Interval> {
  item: T
  left: TreeNode<T> | null = null
  right: TreeNode<T> | null = null
  height = 1
  /** The largest end in this subtree. */
  reach: bigint

  constructor(item: T) {
    this.item = item
    this.reach = item.end
  }
}

/**
 * Intervals that may overlap, in the order of their starts: an AVL tree in which each node knows the largest
 * end below it (Cormen et al., "Introduction to Algorithms", interval trees). The height is at most 1.44 ·
 * log2(n), whatever a client does, and each node that is looked at counts as one step of `work`.
 */
export class IntervalTree<T extends Interval> {
  readonly #work: Work
  #root: TreeNode<T> | null = null

  constructor(work: Work) {
    this.#work = work
  }

  add(item: T): void {
    this.#root = this.#add(this.#root, item)
  }

  /** Removes an interval that is in the tree. */
  delete(item: T): void {
    this.#root = this.#delete(this.#root, item)
  }

  /** The first interval, by its start, that overlaps the range and is accepted. */
  first(start: bigint, end: bigint, accepts: (item: T) => boolean): T | undefined {
    return this.#first(this.#root, start, end, accepts)
  }

  /** The largest end of all intervals that start at `at` or before; -1n if there is none. */
  reach(at: bigint): bigint {
    let largest = -1n
    for (let node = this.#root; node !== null;) {
      this.#work.steps++
      if (node.item.start > at) {
        node = node.left
        continue
      }
      if (node.item.end > largest) largest = node.item.end
      if (node.left !== null && node.left.reach > largest) largest = node.left.reach
      node = node.right
    }
    return largest
  }

  /** The smallest start at `at` or behind it. */
  next(at: bigint): bigint | undefined {
    let smallest: bigint | undefined
    for (let node = this.#root; node !== null;) {
      this.#work.steps++
      if (node.item.start < at) {
        node = node.right
      } else {
        smallest = node.item.start
        node = node.left
      }
    }
    return smallest
  }

  #first(
    node: TreeNode<T> | null,
    start: bigint,
    end: bigint,
    accepts: (item: T) => boolean,
  ): T | undefined {
    if (node === null || node.reach < start) return undefined
    this.#work.steps++
    const found = this.#first(node.left, start, end, accepts)
    if (found !== undefined) return found
    const { item } = node
    if (item.start > end) return undefined
    if (item.end >= start && accepts(item)) return item
    return this.#first(node.right, start, end, accepts)
  }

  #add(node: TreeNode<T> | null, item: T): TreeNode<T> {
    this.#work.steps++
    if (node === null) return new TreeNode(item)
    if (isBefore(item, node.item)) node.left = this.#add(node.left, item)
    else node.right = this.#add(node.right, item)
    return balanced(node)
  }

  #delete(node: TreeNode<T> | null, item: T): TreeNode<T> | null {
    if (node === null) return null
    this.#work.steps++
    if (node.item === item) {
      if (node.left === null) return node.right
      if (node.right === null) return node.left
      // The next interval takes the place of the removed one.
      let next = node.right
      while (next.left !== null) next = next.left
      node.item = next.item
      node.right = this.#delete(node.right, next.item)
    } else if (isBefore(item, node.item)) node.left = this.#delete(node.left, item)
    else node.right = this.#delete(node.right, item)
    return balanced(node)
  }
}

function isBefore(a: Interval, b: Interval): boolean {
  return a.start < b.start || (a.start === b.start && a.id < b.id)
}

function heightOf(node: TreeNode<Interval> | null): number {
  return node === null ? 0 : node.height
}

function update<T extends Interval>(node: TreeNode<T>): void {
  const { left, right, item } = node
  node.height = 1 + Math.max(heightOf(left), heightOf(right))
  let reach = item.end
  if (left !== null && left.reach > reach) reach = left.reach
  if (right !== null && right.reach > reach) reach = right.reach
  node.reach = reach
}

/** The subtree's new root after one interval was added or removed below `node`. */
function balanced<T extends Interval>(node: TreeNode<T>): TreeNode<T> {
  const { left, right } = node
  const difference = heightOf(left) - heightOf(right)
  if (difference > 1 && left !== null) {
    if (heightOf(left.left) < heightOf(left.right)) node.left = rotatedLeft(left)
    return rotatedRight(node)
  }
  if (difference < -1 && right !== null) {
    if (heightOf(right.right) < heightOf(right.left)) node.right = rotatedRight(right)
    return rotatedLeft(node)
  }
  update(node)
  return node
}

function rotatedRight<T extends Interval>(node: TreeNode<T>): TreeNode<T> {
  const top = node.left as TreeNode<T>
  node.left = top.right
  top.right = node
  update(node)
  update(top)
  return top
}

function rotatedLeft<T extends Interval>(node: TreeNode<T>): TreeNode<T> {
  const top = node.right as TreeNode<T>
  node.right = top.left
  top.left = node
  update(node)
  update(top)
  return top
}
