import { getdents64, lseek } from '../../sys/files.ts'
import { systemMemory } from '../../sys/system-memory.ts'
import type { DirectoryVisitor } from '../directory.ts'
import { entryTypes } from '../flags.ts'

const SEEK_SET = 0

/** struct linux_dirent64: d_ino[8] d_off[8] d_reclen[2] d_type[1] d_name[], NUL, to a multiple of 8 */
const OFFSET = 8
const LENGTH = 16
const TYPE = 18
const NAME = 19
/** The longest entry: a name of 255 bytes. */
const LONGEST = 280

const DOT = 0x2e

const buffer = systemMemory(64 * 1024)

/** How the guest sees a directory's entries. */
export interface EntryRules {
  /** The inode number of `..`. */
  readonly inoAbove: bigint
  /** The guest's number for the host's inode `ino` in this directory. */
  inoOf(ino: bigint): bigint
  /** Whether only `.` and `..` are shown. */
  readonly isSealed: boolean
  /** Whether the host's regular files may have another type for the guest. */
  readonly hidesTypes: boolean
}

/**
 * Shows `visitor` the entries behind `cookie` until it has no room. A cookie is the host's d_off, so reading
 * can go on from any cookie, also in another session.
 */
export function readEntries(
  fd: number,
  cookie: bigint,
  visitor: DirectoryVisitor,
  rules: EntryRules,
): void {
  const { bytes, view } = buffer
  const { isSealed, hidesTypes } = rules
  lseek(fd, cookie, SEEK_SET)
  let ahead = 0
  let room = -1
  for (;;) {
    // Hardly more than fits, since the host would have to read and sort the rest again. Twice as much when
    // the visitor has left out all entries that it was shown.
    ahead = visitor.room === room ? ahead * 2 : visitor.room
    room = visitor.room
    ahead = Math.min(Math.max(ahead, LONGEST), bytes.length)
    const filled = getdents64(fd, buffer.address, ahead)
    if (filled === 0) return
    let next: number
    for (let at = 0; at < filled; at = next) {
      next = at + view.getUint16(at + LENGTH, true)
      const start = at + NAME
      // The NUL of the name is among the last eight bytes. Bytes behind it may be anything.
      let end = Math.max(start, next - 8)
      while (bytes[end] !== 0) end++
      const dots = dotsOf(start, end)
      if (isSealed && dots === 0) continue
      const type = view.getUint8(at + TYPE)
      const isShown = visitor.visit({
        ino: dots === 2 ? rules.inoAbove : rules.inoOf(view.getBigUint64(at, true)),
        type: hidesTypes && type === entryTypes.FILE ? entryTypes.UNKNOWN : type,
        cookieLow: view.getUint32(at + OFFSET, true),
        cookieHigh: view.getUint32(at + OFFSET + 4, true),
        bytes,
        start,
        end,
      })
      if (!isShown) return
    }
  }
}

/** 1 for `.`, 2 for `..`, and 0 for all other names. */
function dotsOf(start: number, end: number): 0 | 1 | 2 {
  const { bytes } = buffer
  const length = end - start
  if (length > 2 || bytes[start] !== DOT || bytes[end - 1] !== DOT) return 0
  return length === 1 ? 1 : 2
}
