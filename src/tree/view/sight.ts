import { fromText } from '../../util/text.ts'
import { NOWHERE, type Positions, compilePatterns, samePositions, step } from './pattern.ts'

/**
 * Which part of a tree is shown. Patterns (pattern.ts) are text, and relative to the tree's root.
 *
 * `only`: shows what matches one of the patterns, everything below that, and the directories that lead there.
 * Without `only`, everything is shown. An empty list shows nothing.
 * `hide`: hides what matches one of the patterns, and everything below that. It takes precedence over `only`.
 */
export interface ViewPatterns {
  readonly only?: readonly string[] | undefined
  readonly hide?: readonly string[] | undefined
}

/**
 * What is shown at and below one place of a tree: the positions of the patterns there. It depends on the
 * path, and not on the file at that path. Places share it where they can.
 */
export class Sight {
  /** Null when a pattern has matched: everything below is shown. */
  readonly #only: Positions | null
  readonly #hide: Positions

  private constructor(only: Positions | null, hide: Positions) {
    this.#only = only
    this.#hide = hide
  }

  /** For the root of a tree. @throws PatternError */
  static of({ only, hide }: ViewPatterns): Sight {
    return new Sight(
      only === undefined ? null : compilePatterns(only),
      hide === undefined ? NOWHERE : compilePatterns(hide),
    )
  }

  /**
   * Whether files of all types are shown here. If not, only directories are, since they may lead to such
   * files.
   */
  get shown(): boolean {
    return this.#only === null
  }

  /** Whether nothing is hidden from here on. */
  get whole(): boolean {
    return this.#only === null && this.#hide === NOWHERE
  }

  /** The sight of `name` in this directory; null if that name is hidden. */
  at(name: string): Sight | null {
    if (this.whole) return this
    const hide = step(this.#hide, name)
    if (hide === null) return null
    const only = this.#only === null ? null : step(this.#only, name)
    if (only === NOWHERE) return null
    return only === this.#only && hide === this.#hide ? this : new Sight(only, hide)
  }

  /** Whether the same names are shown below both. */
  equals(other: Sight): boolean {
    if (!samePositions(this.#hide, other.#hide)) return false
    if (this.#only === null || other.#only === null) return this.#only === other.#only
    return samePositions(this.#only, other.#only)
  }
}

/** Whether a view shows the directory at `path`: text, with slashes between names. @throws PatternError */
export function shows(view: ViewPatterns, path: string): boolean {
  let sight: Sight | null = Sight.of(view)
  for (const name of path.split('/')) {
    if (name !== '') sight = sight?.at(fromText(name)) ?? null
  }
  return sight !== null
}
