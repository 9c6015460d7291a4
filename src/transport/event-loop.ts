/**
 * A transport delivers requests and takes the replies: frames in a byte stream (stream/), or chains of a
 * virtqueue in a guest's memory (vhost-user/).
 */

/**
 * What a transport needs of the event loop that it runs in. The server's loop (server/loop.ts) implements it;
 * a transport knows nothing else of the server.
 */
export interface EventLoop {
  /**
   * Watches `watched` from the next round on, and owns it from now on.
   *
   * @throws ErrnoError ENOSPC or ENOMEM when the kernel watches no more descriptors. It is closed then.
   */
  add(watched: Watched): void
  /** Stops watching and closes it; nothing happens where it is not watched. */
  remove(watched: Watched): void
  /**
   * What `watched` waits for, or whether it has more to do, may have changed. To be called where that happens
   * outside of {@link Watched.ready}; nothing happens where it is not watched.
   */
  changed(watched: Watched): void
}

/**
 * The time that one client may take before the others have their turn. Whoever has many things to do asks
 * after each of them, so that a turn is longer by one of them at most.
 */
export interface Turn {
  readonly isOver: boolean
}

/** For those who are alone, such as tests. */
export const endlessTurn: Turn = { isOver: false }

/** The event that a descriptor is watched for. */
export type Readiness = 'read' | 'write' | 'both' | 'nothing'

/** A descriptor, and the action when it is ready. It owns the descriptor. */
export interface Watched {
  readonly fd: number
  /** Read after each {@link ready}. */
  readonly waitsFor: Readiness
  /** Called when the descriptor is ready for this event, or has failed, or where {@link hasMore} was true. */
  ready(turn: Turn): void
  /** Whether there is more to do although nothing more may happen. Read after each {@link ready}. */
  readonly hasMore?: boolean
  close(): void
  /** Set if work shows in memory before the descriptor becomes readable, or without the descriptor. */
  readonly polled?: Polled
}

/** Work that shows in memory. The loop can busy-poll for it without a system call. */
export interface Polled {
  /** Does the work, as far as the turn goes. @returns whether there was any. */
  poll(turn: Turn): boolean
  /**
   * From now on the descriptor becomes readable when there is work.
   *
   * @returns whether there is work already. The descriptor may not become readable for that.
   */
  enableNotifications(): boolean
  /** From now on the loop polls, so the descriptor need not become readable. */
  disableNotifications(): void
}
