import { fromText } from '../../util/text.ts'
import { NOWHERE, type Positions, compilePatterns, samePositions, step } from './pattern.ts'

/**
 * Which part of a tree is shown. Patterns (pattern.ts) are relative to the tree's root, in text.
 *
 * `only`: what matches one, everything below it, and the directories that lead there are shown, and
 * nothing else; without it, everything is. No pattern at all is none that matches.
 * `hide`: what matches one, and everything below it, is not shown, whatever `only` says.
 */
export interface ViewPatterns {
  readonly only?: readonly string[] | undefined
  readonly hide?: readonly string[] | undefined
}

/**
 * What is shown at and below one place of a tree: how far the patterns have matched on the way there. It
 * belongs to the place, whatever lies there, and is shared where the patterns allow it.
 */
export class Sight {
  /** Null where one has matched: everything below is shown. */
  readonly #only: Positions | null
  readonly #hide: Positions

  private constructor(only: Positions | null, hide: Positions) {
    this.#only = only
    this.#hide = hide
  }

  /** What is shown of a whole tree. @throws PatternError */
  static of({ only, hide }: ViewPatterns): Sight {
    return new Sight(
      only === undefined ? null : compilePatterns(only),
      hide === undefined ? NOWHERE : compilePatterns(hide),
    )
  }

  /** Whether any file here is shown. If not, only a directory is, since it may lead to one. */
  get shown(): boolean {
    return this.#only === null
  }

  /** Whether nothing is hidden from here on. */
  get whole(): boolean {
    return this.#only === null && this.#hide === NOWHERE
  }

  /** One name further; null when nothing of that name is shown. */
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

/** Whether a view shows the directory at `path`, text with slashes between names. @throws PatternError */
export function shows(view: ViewPatterns, path: string): boolean {
  let sight: Sight | null = Sight.of(view)
  for (const name of path.split('/')) {
    if (name !== '') sight = sight?.at(fromText(name)) ?? null
  }
  return sight !== null
}
