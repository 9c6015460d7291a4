import type { Writer } from '../protocol/cursor.ts'

/** Where a session's replies go. Each transport has its own. */
export interface Outbox {
  /**
   * Room for one frame of at most `bytes`, from the writer's position on. Nothing else is reserved
   * before the frame is committed.
   */
  reserve(bytes: number): Writer
  /** The frame written since {@link reserve} is complete and may leave. */
  commit(): void
}
