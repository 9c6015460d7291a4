/**
 * A server whose sessions can be saved while their clients live on, as when a virtual machine is saved. Data
 * that are on the way between client and server would not be saved, so they have to arrive first:
 *
 *     await server.hold()   nothing is answered any more, and clients have taken all answers
 *     …                     now the clients are stopped
 *     await server.save()   with the requests that they have sent meanwhile
 *     server.goOn()
 */
export interface Holdable<Saved> {
  /**
   * Holds all answers back, and resolves when clients have taken those that were sent. Clients must not be
   * stopped yet.
   *
   * @throws Error if the server cannot know what a client has taken, or if that takes longer than
   *   {@link HOLD_TIMEOUT}. The server then answers again.
   */
  hold(): Promise<void>
  /**
   * The state from which another server goes on. Only while this server is held and its clients are stopped.
   */
  save(): Promise<Saved>
  /** Answers again, beginning with the requests that have arrived meanwhile. */
  goOn(): void
}

/** How long clients may take to receive the answers that were sent, in milliseconds. */
export const HOLD_TIMEOUT = 10_000

/** The time between two checks of that, in milliseconds. */
export const HOLD_INTERVAL = 1

/**
 * While a server is held, it takes in so many bytes of each client, because QEMU waits for a socket that
 * takes nothing.
 */
export const HOLD_BYTES_MAX = 64 << 20
