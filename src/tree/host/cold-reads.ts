import type { Deferred } from '../deferred.ts'

/** Reads that have to wait for a disk. The program that serves the tree goes on meanwhile. */
export interface ColdReads {
  /**
   * Reads up to `length` bytes at `offset`. The descriptor may be closed meanwhile.
   *
   * @returns undefined when no further read can be under way.
   */
  read(fd: number, offset: number, length: number): Deferred<Uint8Array> | undefined
}
