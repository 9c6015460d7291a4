/** How many characters of a test file's output are kept at least, both from its beginning and from its end. */
const KEPT = 256 * 1024

/** How many of the last lines are shown with a failure. */
const TAIL = 30

/** The output of a test file, without its middle if it is too long. */
export class Output {
  #head = ''
  #tail = ''
  #skipped = 0

  add(text: string): void {
    const room = KEPT - this.#head.length
    this.#head += text.slice(0, room)
    this.#tail += text.slice(room)
    // Cut only at twice the size, since each cut copies the text.
    if (this.#tail.length > 2 * KEPT) {
      this.#skipped += this.#tail.length - KEPT
      this.#tail = this.#tail.slice(-KEPT)
    }
  }

  get text(): string {
    const gap = this.#skipped > 0 ? `\n[${this.#skipped} characters left out]\n` : ''
    return this.#head + gap + this.#tail
  }

  /** The last lines. */
  tail(): string {
    return (this.#head + this.#tail).trimEnd().split('\n').slice(-TAIL).join('\n')
  }
}
