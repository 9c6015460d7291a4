/**
 * A transport delivers requests and takes the replies: frames in a byte stream (stream/), or chains of a virtqueue in a
 * guest's memory (vhost-user/).
 */

/**
 * What a transport asks of the event loop that it runs in. The server's loop (server/loop.ts) keeps these promises; a
 * transport knows no more of the server.
 */
export interface EventLoop {
  /** Watches `watched` from the next round on, and owns it. */
  add(watched: Watched): void
  /** Stops watching and closes it; nothing happens where it is not watched. */
  remove(watched: Watched): void
}

/** What a descriptor is polled for. */
export type Readiness = 'read' | 'write' | 'both' | 'nothing'

/** A descriptor with what is done when it is ready. It owns the descriptor. */
export interface Watched {
  readonly fd: number
  /** Asked before each poll(2). */
  readonly waitsFor: Readiness
  /** The descriptor is ready for what it waits for, or has failed. */
  ready(): void
  close(): void
  /** Set where work shows in memory: before the descriptor says so, or without its saying so. */
  readonly polled?: Polled
}

/** Work that shows in memory, so that the loop can busy-poll for it without a system call. */
export interface Polled {
  /** Does a limited share of the work that there is. @returns whether there was any. */
  poll(): boolean
  /**
   * From now on the descriptor becomes readable when there is work.
   *
   * @returns whether there is work already, for which it may not become readable.
   */
  enableNotifications(): boolean
  /** From now on the loop polls, and the descriptor need not become readable. */
  disableNotifications(): void
}
