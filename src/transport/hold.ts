/**
 * A server whose conversations can be saved while its clients live on, as when a virtual machine is saved with all
 * that it holds: what is on its way from one to the other would be in neither.
 *
 *     await server.hold()   nothing is answered any more, and clients have taken all that was
 *     …                     now the clients are stopped
 *     await server.save()   with what they have sent meanwhile
 *     server.goOn()
 */
export interface Holdable<Saved> {
  /**
   * Keeps all answers back, and resolves when clients have taken those that were sent; they must not be
   * stopped for it.
   *
   * @throws Error where that cannot be known, or takes longer than {@link HOLD_PATIENCE}; it goes on then.
   */
  hold(): Promise<void>
  /** What goes on elsewhere. Only while it is held and its clients are stopped. */
  save(): Promise<Saved>
  /** Answers again, first of all what has arrived meanwhile. */
  goOn(): void
}

/** How long clients may take for what was sent to them, in milliseconds. */
export const HOLD_PATIENCE = 10_000

/** How often they are looked at, in milliseconds. */
export const HOLD_LOOK = 1

/** Whoever is held goes on taking in this many bytes: QEMU waits for a socket that takes nothing. */
export const HOLD_MOST = 64 << 20
