/** The size of a block, in characters. */
const BLOCK = 64 * 1024

/**
 * The newest part of a text that grows. It is kept in blocks, so that neither adding to it nor reading its end touches all of
 * it. A place in the text is the number of characters before it, also of those that are not kept any more.
 */
export class KeptText {
  readonly #most: number
  readonly #blocks: string[] = []
  /** The block that is being filled. */
  #block = ''
  /** The place of the first character that is kept. */
  #start = 0
  #end = 0

  /** @param most how many characters are kept at least, if there have been so many; at most it is one block more. */
  constructor(most: number) {
    this.#most = most
  }

  /** The place behind the last character. */
  get end(): number {
    return this.#end
  }

  /** Adds text at the end. */
  add(text: string): void {
    this.#block += text
    this.#end += text.length
    if (this.#block.length < BLOCK) return
    this.#blocks.push(this.#block)
    this.#block = ''
    let surplus = this.#end - this.#start - this.#most
    while (surplus >= (this.#blocks[0]?.length ?? Infinity)) {
      const gone = this.#blocks.shift()?.length ?? 0
      this.#start += gone
      surplus -= gone
    }
  }

  /** The text from a place on, or as much of it as is kept. */
  from(place: number): string {
    let missing = this.#end - Math.max(place, this.#start)
    if (missing <= 0) return ''
    if (missing <= this.#block.length) return this.#block.slice(-missing)
    missing -= this.#block.length
    const parts = [this.#block]
    for (let index = this.#blocks.length - 1; missing > 0; index -= 1) {
      const block = this.#blocks[index] ?? ''
      parts.push(missing < block.length ? block.slice(-missing) : block)
      missing -= block.length
    }
    return parts.toReversed().join('')
  }
}
