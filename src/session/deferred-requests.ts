import type { ReplyPlace } from '../sys/reply-place.ts'

/** A request whose reply is deferred, and the place of that reply. */
export interface DeferredRequest {
  readonly deferred: { cancel(): void }
  readonly place: ReplyPlace
  /** The request's frame, from which a restored session asks again. Undefined where the frame was not kept. */
  frame: Buffer | undefined
}

/** The requests of a session whose replies are deferred (tree/deferred.ts), by tag, or, in FUSE, by their unique number. */
export class DeferredRequests<Request extends DeferredRequest = DeferredRequest> {
  readonly #byTag = new Map<number, Request>()
  readonly #report: (tag: number, error: unknown) => void

  /** @param report is called when cancelling a request fails. */
  constructor(report: (tag: number, error: unknown) => void) {
    this.#report = report
  }

  get size(): number {
    return this.#byTag.size
  }

  get(tag: number): Request | undefined {
    return this.#byTag.size === 0 ? undefined : this.#byTag.get(tag)
  }

  has(tag: number): boolean {
    return this.#byTag.size > 0 && this.#byTag.has(tag)
  }

  add(tag: number, request: Request): void {
    this.#byTag.set(tag, request)
  }

  /**
   * Removes a request whose reply is about to be made. @returns false when it was cancelled; another request
   * may have its tag.
   */
  finish(tag: number, request: Request): boolean {
    return this.#byTag.get(tag) === request && this.#byTag.delete(tag)
  }

  /**
   * The frames of all these requests, in the order in which they came.
   *
   * @throws Error for a request whose bytes did not lie in one piece, as in a virtqueue.
   */
  get frames(): Buffer[] {
    return [...this.#byTag].map(([tag, { frame }]) => {
      if (frame === undefined) throw new Error(`the request with tag ${tag} cannot be saved`)
      return frame
    })
  }

  /** Takes a request out. It is not cancelled: its session answers it. */
  take(tag: number): Request | undefined {
    const request = this.#byTag.get(tag)
    this.#byTag.delete(tag)
    return request
  }

  /** Forgets the request with this tag, if there is one. Its tag may be used again. */
  cancel(tag: number): void {
    const request = this.#byTag.get(tag)
    this.#byTag.delete(tag)
    if (request !== undefined) this.#cancel(tag, request)
  }

  /** Forgets all requests. */
  cancelAll(): void {
    const all = [...this.#byTag]
    // Cleared first: cancelling one request may settle others, and these must not be answered any more.
    this.#byTag.clear()
    for (const [tag, request] of all) this.#cancel(tag, request)
  }

  #cancel(tag: number, { deferred, place }: DeferredRequest): void {
    try {
      deferred.cancel()
    } catch (error) {
      // The tree has a bug. The other requests are cancelled all the same.
      this.#report(tag, error)
    } finally {
      place.forget()
    }
  }
}
