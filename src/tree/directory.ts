/** One name of a directory. */
export interface DirectoryEntry {
  readonly ino: bigint
  /** One of entryTypes (flags.ts). */
  readonly type: number
  /**
   * A cookie of 64 bits, opaque: a readdir with it goes on behind this entry. It comes in two halves, since
   * a bigint for each entry takes 4 % of the time of a listing.
   */
  readonly cookieLow: number
  readonly cookieHigh: number
  /** The name is bytes `start` to `end` of these. They are lent for the visit. */
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

/**
 * What a readdir hands its entries to: a wire protocol's own layout of them. While it is visited it may look
 * names up, and may not read another directory.
 */
export interface DirectoryVisitor {
  /**
   * How many bytes of entries it will still take, counted as getdents64(2) does. A hint of how far to read
   * ahead: what is read in vain has to be read again.
   */
  readonly room: number
  /** @returns false when it has no room for this entry, which ends the readdir. */
  visit(entry: DirectoryEntry): boolean
}
