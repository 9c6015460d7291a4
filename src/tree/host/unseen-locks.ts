import type { Anchor } from './anchor.ts'

/** See HostPolicy.lockScope. */
export type LockScope = 'guests' | 'host'

/** How the host's programs see the locks of one file, and how these see theirs. */
export type HostSide = Pick<
  Anchor,
  'prepareToWrite' | 'set' | 'stale' | 'isStale' | 'catchUp' | 'conflict' | 'close'
>

/** Neither side sees the other, see HostPolicy.lockScope. */
export const unseen: HostSide = {
  prepareToWrite() {},
  set: () => true,
  stale() {},
  isStale: false,
  catchUp: () => true,
  conflict: () => undefined,
  close() {},
}
