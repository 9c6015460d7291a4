import { fromText } from '../../util/text.ts'
import { charactersOf } from './characters.ts'
import { Glob, PatternError, isGlob } from './glob.ts'

/** All places that a set of patterns has reached on the way to a directory, in order, each once. */
export type Positions = readonly Position[]

/** No pattern can match any more. */
export const NOWHERE: Positions = []

/** A place between two components of one or more patterns: a node of the trie. */
class Position {
  /** Identifies a position in its set, and gives the positions an order. */
  readonly number: number
  /** Whether this is behind a `**`: any next component then keeps this position. */
  readonly stays: boolean
  /** Whether a pattern ends here. */
  ends = false
  /**
   * The positions behind components without wildcards. The name, a byte string, is the key: thousands of
   * patterns need one look-up.
   */
  names: Map<string, Position> | null = null
  /** The positions behind components with wildcards. The component's text is the key. */
  globs: Map<string, { readonly glob: Glob; readonly next: Position }> | null = null
  /** The position behind a `**` that follows here. */
  deep: Position | null = null
  #reached: Positions | null = null

  constructor(number: number, stays: boolean) {
    this.number = number
    this.stays = stays
  }

  /** The positions that are reached together with this one: a `**` that follows may match no component. */
  get reached(): Positions {
    this.#reached ??= this.deep === null ? [this] : [this, this.deep]
    return this.#reached
  }
}

/**
 * Compiles patterns into one trie, in which each name of a path is one step.
 *
 * A pattern is a path relative to the root: components with `/` between them. Slashes at its ends have no
 * effect. A component is a name, possibly with wildcards (glob.ts), or `**`. `**` matches any number of
 * components, also none. At the end of a pattern it matches at least one, so `dir/**` matches what lies in
 * `dir` and not `dir` itself.
 *
 * All patterns are followed at once, so there is no backtracking. The time of a step depends on the number of
 * positions and of wildcards at them, and not on the path before.
 *
 * @returns the positions at the root.
 * @throws PatternError for a pattern that is empty or has a component that can match no name.
 */
export function compilePatterns(patterns: readonly string[]): Positions {
  let count = 0
  const root = new Position(count++, false)
  for (const pattern of patterns) {
    let at = root
    for (const component of componentsOf(pattern)) {
      at = follow(at, component, pattern, () => count++)
    }
    at.ends = true
  }
  return patterns.length === 0 ? NOWHERE : root.reached
}

/** The positions after one more component, `name`. Null when a pattern has matched the whole path. */
export function step(from: Positions, name: string): Positions | null {
  let found = NOWHERE
  let characters: readonly number[] | undefined
  for (const position of from) {
    if (position.stays) found = both(found, position.reached)
    const next = position.names?.get(name)
    if (next !== undefined) {
      if (next.ends) return null
      found = both(found, next.reached)
    }
    if (position.globs === null) continue
    characters ??= charactersOf(name)
    for (const { glob, next: behind } of position.globs.values()) {
      if (!glob.matches(characters)) continue
      if (behind.ends) return null
      found = both(found, behind.reached)
    }
  }
  return found
}

/** Whether the same paths match from both on. */
export function samePositions(a: Positions, b: Positions): boolean {
  return a === b || (a.length === b.length && a.every((position, i) => position === b[i]))
}

function both(a: Positions, b: Positions): Positions {
  if (a.length === 0 || a === b) return b
  return [...new Set([...a, ...b])].toSorted((one, other) => one.number - other.number)
}

function componentsOf(pattern: string): string[] {
  const fault = (reason: string): PatternError =>
    new PatternError(`the pattern ${JSON.stringify(pattern)}: ${reason}`)
  const all = pattern.split('/')
  const first = all.findIndex((component) => component !== '')
  if (first < 0) throw fault('it names nothing')
  const components: string[] = []
  for (const component of all.slice(first, all.findLastIndex((each) => each !== '') + 1)) {
    if (component === '') throw fault('a name is missing between two slashes')
    if (component === '.' || component === '..') throw fault(`${component} is no name`)
    if (component.includes('\0')) throw fault('no name has a NUL')
    if (component !== '**' && component.includes('**')) {
      throw fault('** stands alone between slashes')
    }
    // Two `**` in a row mean the same as one.
    if (component !== '**' || components.at(-1) !== '**') components.push(component)
  }
  // A match covers everything below it. So a `**` at the end means the same as a `*`.
  if (components.at(-1) === '**') components.splice(-1, 1, '*')
  return components
}

/** The position behind `component`. */
function follow(
  from: Position,
  component: string,
  pattern: string,
  number: () => number,
): Position {
  if (component === '**') {
    from.deep ??= new Position(number(), true)
    return from.deep
  }
  if (!isGlob(component)) {
    from.names ??= new Map()
    const name = fromText(component)
    const known = from.names.get(name)
    if (known !== undefined) return known
    const next = new Position(number(), false)
    from.names.set(name, next)
    return next
  }
  from.globs ??= new Map()
  const known = from.globs.get(component)
  if (known !== undefined) return known.next
  const next = new Position(number(), false)
  from.globs.set(component, { glob: globOf(component, pattern), next })
  return next
}

function globOf(component: string, pattern: string): Glob {
  try {
    return new Glob(component)
  } catch (error) {
    if (!(error instanceof PatternError)) throw error
    throw new PatternError(`the pattern ${JSON.stringify(pattern)}: ${error.message}`)
  }
}
