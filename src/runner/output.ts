/** How many characters of what a file of tests prints are kept at least, of its beginning and of its end. */
const KEPT = 256 * 1024

/** How many lines of its end explain a failure. */
const TAIL = 30

/** What a file of tests prints, bounded. */
export class Output {
  #head = ''
  #tail = ''
  #skipped = 0

  add(text: string): void {
    const room = KEPT - this.#head.length
    this.#head += text.slice(0, room)
    this.#tail += text.slice(room)
    // Twice as much before anything is cut: every cut copies all of it.
    if (this.#tail.length > 2 * KEPT) {
      this.#skipped += this.#tail.length - KEPT
      this.#tail = this.#tail.slice(-KEPT)
    }
  }

  get text(): string {
    const gap = this.#skipped > 0 ? `\n[${this.#skipped} characters left out]\n` : ''
    return this.#head + gap + this.#tail
  }

  /** Its last lines. */
  tail(): string {
    return (this.#head + this.#tail).trimEnd().split('\n').slice(-TAIL).join('\n')
  }
}
