import { after } from './waits/after.ts'

/** What an {@link Answering} knows of the other side. */
export interface AnsweringOptions {
  /** How long an answer to a request to end something may take, in seconds. */
  readonly grace: number
  /** How often the other side has been heard. */
  readonly heard: () => number
  /** Is called when the other side is marked. */
  readonly onSilent: () => void
}

/**
 * Whether a guest, or its QEMU, still answers. The mark of one that does not is gone as soon as it is heard again. While
 * it is marked, nothing waits for it longer than the grace period: a test with a hung guest ends soon, and not after the
 * timeouts of all its commands.
 */
export class Answering {
  /** In seconds. */
  readonly grace: number
  readonly #heard: () => number
  readonly #onSilent: () => void
  /** What {@link AnsweringOptions.heard} was when it was marked. */
  #silentAt: number | undefined

  constructor({ grace, heard, onSilent }: AnsweringOptions) {
    this.grace = grace
    this.#heard = heard
    this.#onSilent = onSilent
  }

  /** Whether it was marked, and has not been heard since. */
  get isSilent(): boolean {
    return this.#silentAt === this.#heard()
  }

  /** @returns a function that marks it, unless it has been heard since this call. */
  asked(): () => void {
    const before = this.#heard()
    return () => {
      if (this.#heard() !== before || this.isSilent) return
      this.#silentAt = before
      this.#onSilent()
    }
  }

  /**
   * For a wait that begins: if it is marked now and stays silent for the grace period, calls `giveUp`.
   *
   * @returns a function to call at the end of the wait.
   */
  whileSilent(giveUp: (seconds: number) => void): () => void {
    if (!this.isSilent) return () => {}
    return after(this.grace, () => {
      if (this.isSilent) giveUp(this.grace)
    })
  }
}
