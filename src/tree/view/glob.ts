/** A pattern that is invalid. The message says why. */
export class PatternError extends Error {
  override readonly name = 'PatternError'
  /** The errno of a system call with an invalid argument. */
  readonly code = 'EINVAL'
}

/** `*`: any number of characters, or none. */
const STAR = 'star'
/** `[…]` or `?`: one character that is in one of the ranges, or with `negated` in none of them. */
interface Class {
  readonly ranges: readonly { readonly first: number; readonly last: number }[]
  readonly negated: boolean
}
/** A number is a code point. */
type Token = typeof STAR | Class | number

const ANY: Class = { ranges: [], negated: true }

const wildcard = /[*?[]/

/** Whether a component of a pattern has wildcards. */
export function isGlob(component: string): boolean {
  return wildcard.test(component)
}

/**
 * A component of a pattern with wildcards: `*`, `?`, `[abc]`, `[a-z]`, `[!a-z]` or `[^a-z]`. A `]` that comes
 * first in brackets is one of the characters. There is no escape character: `[*]` matches a `*`, and a
 * backslash matches a backslash. A dot is a character like any other.
 */
export class Glob {
  readonly #tokens: readonly Token[]

  /** @throws PatternError for a `[` that is not closed, and for a range that is upside down. */
  constructor(component: string) {
    this.#tokens = tokensOf(Array.from(component))
  }

  /**
   * Whether a whole name, given as code points (characters.ts), matches. The number of steps is at most the
   * length of the pattern times the length of the name: after a mismatch only the last `*` has to match more.
   */
  matches(name: readonly number[]): boolean {
    const tokens = this.#tokens
    let token = 0
    let at = 0
    // The token behind the last `*`, and the end of what that `*` matches so far.
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
      // A `]` that comes first is a character.
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
    // A `-` that comes first or last is a character.
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
