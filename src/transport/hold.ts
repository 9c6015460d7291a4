/**
 * A server whose sessions can be saved while their clients live on, as when a virtual machine is saved. What is on its way
 * between client and server would be saved by neither, so that has to come to rest first:
 *
 *     await server.hold()   nothing is answered any more, and clients have taken all answers
 *     …                     now the clients are stopped
 *     await server.save()   with the requests that they have sent meanwhile
 *     server.goOn()
 */
export interface Holdable<Saved> {
  /**
   * Holds all answers back, and resolves when clients have taken those that were sent. Clients must not be stopped yet.
   *
   * @throws Error where the server cannot know what a client has taken, or where that takes longer than
   *   {@link HOLD_TIMEOUT}. The server answers again then.
   */
  hold(): Promise<void>
  /** What another server goes on with. Only while this one is held and its clients are stopped. */
  save(): Promise<Saved>
  /** Answers again, first of all what has arrived meanwhile. */
  goOn(): void
}

/** How long clients may take for answers that were sent to them, in milliseconds. */
export const HOLD_TIMEOUT = 10_000

/** How often the server looks whether they have, in milliseconds. */
export const HOLD_INTERVAL = 1

/** While it is held, a server takes in so many bytes of each client: QEMU waits for a socket that takes nothing. */
export const HOLD_BYTES_MAX = 64 << 20
