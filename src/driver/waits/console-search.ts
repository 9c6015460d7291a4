import type { Console } from '../../machine/console.ts'

/** How much of the text before the newest piece is searched again for a regular expression, in characters. */
const OVERLAP = 16 * 1024

/**
 * Searches a console that grows for a pattern. Each look searches what has come since the one before, together with as much of
 * the text before it as a match may need: of a string its length, of a regular expression {@link OVERLAP}. So a guest that
 * prints much in small pieces does not have all of its console searched for each of them.
 */
export class ConsoleSearch {
  readonly #console: Pick<Console, 'end' | 'from'>
  readonly #pattern: RegExp | string
  readonly #overlap: number
  /** Up to where the text has been searched. */
  #place = 0

  constructor(console: Pick<Console, 'end' | 'from'>, pattern: RegExp | string) {
    this.#console = console
    const isText = typeof pattern === 'string'
    // With the flag y, a match would have to begin where the search does.
    this.#pattern = isText
      ? pattern
      : new RegExp(pattern.source, `${pattern.flags.replaceAll(/[gy]/g, '')}g`)
    this.#overlap = isText ? pattern.length : OVERLAP
  }

  /** What matches, if anything does that was not there at the look before. */
  look(): string | undefined {
    const { end } = this.#console
    const start = Math.max(0, this.#place - this.#overlap)
    this.#place = end
    const pattern = this.#pattern
    if (typeof pattern === 'string') {
      return this.#console.from(start).includes(pattern) ? pattern : undefined
    }
    // With the character before the start, and the search behind it, `^` matches only where it would in the whole text.
    const text = this.#console.from(start - 1)
    pattern.lastIndex = start > 0 && text.length > end - start ? 1 : 0
    return pattern.exec(text)?.[0]
  }
}
