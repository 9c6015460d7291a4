import type { Deferred } from '../deferred.ts'

/** A directory whose entries may come and go while it is served. */
export interface SyntheticDirectory {
  readonly kind: 'directory'
  /** By name, a byte string (util/text.ts). */
  readonly entries: Map<string, SyntheticEntry>
}

/** A file whose bytes come from functions. */
export interface SyntheticFile {
  readonly kind: 'file'
  /** Permission bits. */
  readonly mode: number
  /** In bytes, if it is known: programs read no further. Default: 0, as for files in /proc. */
  readonly size?: number
  /**
   * Is called for every open. What it returns is closed at the end.
   *
   * @param state what {@link SyntheticHandle.state} of an earlier open has returned, for which this one goes
   *   on.
   */
  open(state?: string): SyntheticHandle
}

/** One open of a file. An operation that is absent is refused with EACCES. */
export interface SyntheticHandle {
  /**
   * Up to `length` bytes from `offset`; none at the end. Linux's client asks again until it has all the bytes
   * that its caller wanted, or gets none. So a handle that returns what it has at the moment must answer the
   * next read with no bytes.
   */
  read?(offset: number, length: number): Uint8Array | Deferred<Uint8Array>
  /** Takes `bytes`, which are valid during the call, and returns how many it took. */
  write?(offset: number, bytes: Uint8Array): number | Deferred<number>
  /**
   * What another handle must know to go on for this one, perhaps in another process. Without it, that one
   * begins anew.
   */
  state?(): string | undefined
  close?(): void
}

export type SyntheticEntry = SyntheticDirectory | SyntheticFile

export function directory(
  entries: Readonly<Record<string, SyntheticEntry>> = {},
): SyntheticDirectory {
  return { kind: 'directory', entries: new Map(Object.entries(entries)) }
}

/** A read-only file with these bytes. */
export function constantFile(content: () => Uint8Array): SyntheticFile {
  return {
    kind: 'file',
    mode: 0o444,
    open() {
      const bytes = content()
      return { read: (offset, length) => bytes.subarray(offset, offset + length) }
    },
  }
}
