import type { DirectoryEntry, DirectoryVisitor } from '../tree/directory.ts'
import { entryTypes, modes } from '../tree/flags.ts'
import type { Writer } from '../wire/cursor.ts'
import { type Entry, putEntry } from './wire/kinds.ts'
import { DIRENTPLUS_BYTES, DIRENT_BYTES } from './wire/limits.ts'

/** getdents64(2) has 19 bytes and a NUL where FUSE has {@link DIRENT_BYTES}, both rounded up to 8. */
const HOST_DIRENT_BYTES = 24

/** Writes a directory's entries as the payload of READDIR, while they fit. */
export class EntryWriter implements DirectoryVisitor {
  protected readonly to: Writer
  /** Whether an entry did not fit. */
  isFull = false
  readonly #start: number

  readonly #typeOf: TypeOf

  /** @param typeOf finds the type of an entry where the host does not tell it. */
  constructor(to: Writer, typeOf: TypeOf) {
    this.to = to
    this.#typeOf = typeOf
    this.#start = to.position
  }

  /** How many bytes were written. */
  get bytes(): number {
    return this.to.position - this.#start
  }

  /** An entry is at most 4/3 as long as the host's entry: that is so for names of one to four bytes. */
  get room(): number {
    return Math.floor((this.to.end - this.to.position) / 4) * 3
  }

  visit(entry: DirectoryEntry): boolean {
    if (!this.fits(DIRENT_BYTES, entry)) return false
    const { type, bytes, start, end } = entry
    this.putName(
      entry,
      type === entryTypes.UNKNOWN ? this.#typeOf(bytes.toString('latin1', start, end)) : type,
    )
    return true
  }

  protected fits(overhead: number, { start, end }: DirectoryEntry): boolean {
    if (aligned(overhead + end - start) <= this.to.end - this.to.position) return true
    this.isFull = true
    return false
  }

  /** struct fuse_dirent: ino[8] off[8] namelen[4] type[4] name[], zeroes up to a multiple of 8 */
  protected putName(
    { ino, cookieLow, cookieHigh, bytes, start, end }: DirectoryEntry,
    type: number,
  ): void {
    const length = end - start
    const { view, bytes: target } = this.to.memory
    const at = this.to.take(aligned(DIRENT_BYTES + length))
    view.setBigUint64(at, ino, true)
    view.setUint32(at + 8, cookieLow, true)
    view.setUint32(at + 12, cookieHigh, true)
    view.setUint32(at + 16, length, true)
    view.setUint32(at + 20, type, true)
    let put = at + DIRENT_BYTES
    for (let from = start; from < end; from++) target[put++] = bytes[from] as number
    for (; put < this.to.position; put++) target[put] = 0
  }
}

/** The type of a name's file, one of entryTypes. A guest's overlayfs goes by the types of its upper layer's entries. */
export type TypeOf = (name: string) => number

/** What READDIRPLUS tells of an entry beside its name; undefined where it tells nothing. */
export type Describe = (name: string) => Entry | undefined

/** Writes entries with what a lookup of their names would give, as the payload of READDIRPLUS. */
export class PlusWriter extends EntryWriter {
  readonly #describe: Describe

  /** @param describe looks a name up. It is called for an entry that has room, and for no other. */
  constructor(to: Writer, describe: Describe) {
    super(to, () => entryTypes.UNKNOWN)
    this.#describe = describe
  }

  /** An entry is at most 7 times as long as the host's. */
  override get room(): number {
    const entries = Math.floor((this.to.end - this.to.position) / DIRENTPLUS_BYTES)
    return (entries + 1) * HOST_DIRENT_BYTES
  }

  override visit(entry: DirectoryEntry): boolean {
    if (!this.fits(DIRENTPLUS_BYTES, entry)) return false
    const { bytes, start, end } = entry
    const isDots =
      bytes[start] === DOT && (end - start === 1 || (end - start === 2 && bytes[start + 1] === DOT))
    // The client leaves these two out, and looks them up in no other way.
    const name = isDots ? '' : bytes.toString('latin1', start, end)
    const described = isDots ? undefined : this.#describe(name)
    if (described === undefined) {
      const at = this.to.take(DIRENTPLUS_BYTES - DIRENT_BYTES)
      this.to.memory.bytes.fill(0, at, this.to.position)
    } else putEntry(this.to, described)
    const isUnknown = entry.type === entryTypes.UNKNOWN && described !== undefined
    this.putName(entry, isUnknown ? entryType(described.attributes.mode) : entry.type)
    return true
  }
}

/** The type of an entry whose file has this mode (IFTODT of dirent.h). */
export function entryType(mode: number): number {
  return (mode & modes.TYPE) >> 12
}

const DOT = 0x2e

function aligned(bytes: number): number {
  return (bytes + 7) & ~7
}
