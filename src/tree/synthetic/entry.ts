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
  /** In bytes, where it is known; programs read no further. Default: 0, like that of files in /proc. */
  readonly size?: number
  /**
   * Called for every open; what it returns is closed again.
   *
   * @param state what {@link SyntheticHandle.state} has said of another, which goes on with this one.
   */
  open(state?: string): SyntheticHandle
}

/** One open of a file. An operation that is absent is refused with EACCES. */
export interface SyntheticHandle {
  /**
   * Up to `length` bytes from `offset`; none at the end. The Linux client asks on until it has all
   * the bytes that its caller wanted or gets none, so a handle that gives out what it has must
   * answer the next read with no bytes.
   */
  read?(offset: number, length: number): Uint8Array | Deferred<Uint8Array>
  /** Takes `bytes`, which are lent for the call, and returns how many it took. */
  write?(offset: number, bytes: Uint8Array): number | Deferred<number>
  /** What a handle that goes on for this one must know, in another process perhaps. Without it, that one begins anew. */
  state?(): string | undefined
  close?(): void
}

export type SyntheticEntry = SyntheticDirectory | SyntheticFile

export function directory(
  entries: Readonly<Record<string, SyntheticEntry>> = {},
): SyntheticDirectory {
  return { kind: 'directory', entries: new Map(Object.entries(entries)) }
}

/** A file that can only be read, with these bytes whenever it is opened. */
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
