/** One entry of a directory. */
export interface DirectoryEntry {
  readonly ino: bigint
  /** One of entryTypes (flags.ts). */
  readonly type: number
  /**
   * A cookie of 64 bits, opaque: a readdir with it goes on behind this entry. It comes in two halves, since a
   * bigint for each entry takes 4 % of the time of a listing.
   */
  readonly cookieLow: number
  readonly cookieHigh: number
  /** The name is the bytes `start` to `end` of this buffer, which is only valid during the visit. */
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
}

/**
 * Receives the entries of a readdir, and writes them in the layout of a wire protocol. During a visit it may
 * look names up, and may not read another directory.
 */
export interface DirectoryVisitor {
  /**
   * How many bytes of entries it has room for, counted as getdents64(2) does. It is a hint of how far to read
   * ahead: entries that do not fit are read again later.
   */
  readonly room: number
  /** @returns false when it has no room for this entry. That ends the readdir. */
  visit(entry: DirectoryEntry): boolean
}
