/** A pattern that means nothing; the message says why. */
export class PatternError extends Error {
  override readonly name = 'PatternError'
  /** What a system call would say. */
  readonly code = 'EINVAL'
}

/** Any characters, also none. */
const STAR = 'star'
/** `[…]`, and `?`: a character in one of the ranges, or in none of them. */
interface Class {
  readonly ranges: readonly { readonly first: number; readonly last: number }[]
  readonly negated: boolean
}
/** A number is a character. */
type Token = typeof STAR | Class | number

const ANY: Class = { ranges: [], negated: true }

const wildcard = /[*?[]/

/** Whether a component of a pattern is more than a name. */
export function isGlob(component: string): boolean {
  return wildcard.test(component)
}

/**
 * A component of a pattern with wildcards: `*`, `?`, `[abc]`, `[a-z]`, `[!a-z]` or `[^a-z]`, where a
 * `]` that comes first is one of the characters. There is no way to quote: a `*` is `[*]`, and a
 * backslash is a backslash. A dot is a character like any other.
 */
export class Glob {
  readonly #tokens: readonly Token[]

  /** @throws PatternError for a `[` that is not closed, and for a range that is upside down. */
  constructor(component: string) {
    this.#tokens = tokensOf(Array.from(component))
  }

  /**
   * Whether all of a name's characters (characters.ts) match. It takes at most as many steps as the
   * two have characters, multiplied: a later `*` can make up for all that an earlier one could.
   */
  matches(name: readonly number[]): boolean {
    const tokens = this.#tokens
    let token = 0
    let at = 0
    // Behind the last star that was met, and where what it stands for ends so far.
    let afterStar = -1
    let starEnd = 0
    while (at < name.length) {
      const wanted = tokens[token]
      if (wanted === STAR) {
        afterStar = ++token
        starEnd = at
      } else if (wanted !== undefined && accepts(wanted, name[at] as number)) {
        token++
        at++
      } else if (afterStar >= 0) {
        token = afterStar
        at = ++starEnd
      } else {
        return false
      }
    }
    while (tokens[token] === STAR) token++
    return token === tokens.length
  }
}

function accepts(wanted: Class | number, character: number): boolean {
  if (typeof wanted === 'number') return wanted === character
  for (const { first, last } of wanted.ranges) {
    if (character >= first && character <= last) return !wanted.negated
  }
  return wanted.negated
}

function tokensOf(characters: readonly string[]): Token[] {
  const tokens: Token[] = []
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] as string
    if (character === '*') {
      if (tokens.at(-1) !== STAR) tokens.push(STAR)
    } else if (character === '?') {
      tokens.push(ANY)
    } else if (character === '[') {
      const negated = characters[at + 1] === '!' || characters[at + 1] === '^'
      const start = at + (negated ? 2 : 1)
      // The first may be a `]`.
      const end = characters.indexOf(']', start + 1)
      if (end < 0) throw new PatternError('a [ is not closed; write [[] for the character itself')
      tokens.push({ ranges: rangesOf(characters.slice(start, end)), negated })
      at = end
    } else {
      tokens.push(codeOf(character))
    }
  }
  return tokens
}

function rangesOf(characters: readonly string[]): Class['ranges'] {
  const ranges: { first: number; last: number }[] = []
  for (let at = 0; at < characters.length; at++) {
    const first = characters[at] as string
    // A `-` at either end is a character.
    const isRange = characters[at + 1] === '-' && at + 2 < characters.length
    const last = isRange ? (characters[at + 2] as string) : first
    if (codeOf(last) < codeOf(first)) throw new PatternError(`${first}-${last} is upside down`)
    ranges.push({ first: codeOf(first), last: codeOf(last) })
    if (isRange) at += 2
  }
  return ranges
}

function codeOf(character: string): number {
  return character.codePointAt(0) as number
}
