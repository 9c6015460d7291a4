/**
 * A transport delivers requests and takes the replies: frames in a byte stream (stream/), or chains of a
 * virtqueue in a guest's memory (vhost-user/).
 */

/**
 * What a transport needs of the event loop that it runs in. The server's loop (server/loop.ts) implements it;
 * a transport knows nothing else of the server.
 */
export interface EventLoop {
  /** Watches `watched` from the next round on, and owns it from now on. */
  add(watched: Watched): void
  /** Stops watching and closes it; nothing happens where it is not watched. */
  remove(watched: Watched): void
}

/** The event that a descriptor is polled for. */
export type Readiness = 'read' | 'write' | 'both' | 'nothing'

/** A descriptor, and the action when it is ready. It owns the descriptor. */
export interface Watched {
  readonly fd: number
  /** Read before each poll(2). */
  readonly waitsFor: Readiness
  /** Called when the descriptor is ready for this event, or has failed. */
  ready(): void
  close(): void
  /** Set if work shows in memory before the descriptor becomes readable, or without the descriptor. */
  readonly polled?: Polled
}

/** Work that shows in memory. The loop can busy-poll for it without a system call. */
export interface Polled {
  /** Does a limited share of the work. @returns whether there was any. */
  poll(): boolean
  /**
   * From now on the descriptor becomes readable when there is work.
   *
   * @returns whether there is work already. The descriptor may not become readable for that.
   */
  enableNotifications(): boolean
  /** From now on the loop polls, so the descriptor need not become readable. */
  disableNotifications(): void
}
