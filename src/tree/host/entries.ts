import { ErrnoError, errno } from '../../sys/errno.ts'
import type { Writer } from '../../9p/wire/cursor.ts'
import { direntBytes } from '../../9p/wire/dirent.ts'
import { kinds } from '../../9p/wire/kinds.ts'
import { type Qid, qidType } from '../../9p/wire/qid.ts'
import { getdents64, lseek } from '../../sys/files.ts'
import { systemMemory } from '../../sys/system-memory.ts'

/** DT_* of dirent.h, as far as a qid's type depends on them. */
const DT_UNKNOWN = 0
const DT_DIR = 4
const DT_REG = 8
const DT_LNK = 10
const SEEK_SET = 0

/** struct linux_dirent64: d_ino[8] d_off[8] d_reclen[2] d_type[1] d_name[], NUL, to a multiple of 8 */
const OFFSET = 8
const LENGTH = 16
const TYPE = 18
const NAME = 19
/** The longest of them: a name of 255 bytes. */
const LONGEST = 280

const DOT = 0x2e

const buffer = systemMemory(64 * 1024)

/** One name that getdents64(2) brought. */
export interface HostEntry {
  /** 1 for `.`, the directory itself, 2 for `..`, the one above, and 0 for all others. */
  readonly dots: 0 | 1 | 2
  readonly ino: bigint
}

/**
 * Writes the entries behind `cookie` as a Treaddir's payload while they fit. A cookie is the host's
 * own d_off, so that reading goes on from anywhere, also in another session.
 *
 * @throws EINVAL when there is no room for a single one.
 * @param hidesTypes leaves open what a regular file is to the client.
 * @param keep says which entries are shown, and as which qid.path; undefined leaves one out.
 */
export function readEntries(
  fd: number,
  cookie: bigint,
  to: Writer,
  keep: (entry: HostEntry) => bigint | undefined,
  hidesTypes: boolean,
): void {
  const start = to.position
  lseek(fd, cookie, SEEK_SET)
  const { bytes, view } = buffer
  for (;;) {
    // Hardly more than fits, since the host would have to read and sort the rest again: an entry of
    // ours is at most 7/6 as long as the host's, for a name of four bytes.
    const fits = Math.floor((to.end - to.position) / 7) * 6
    const end = getdents64(fd, buffer.address, Math.min(Math.max(fits, LONGEST), bytes.length))
    if (end === 0) return
    let next: number
    for (let at = 0; at < end; at = next) {
      next = at + view.getUint16(at + LENGTH, true)
      // The name's NUL is among the last eight bytes; what follows it may be anything.
      let nul = Math.max(at + NAME, next - 8)
      while (bytes[nul] !== 0) nul++
      if (direntBytes(nul - at - NAME) > to.end - to.position) {
        // As getdents(2): an answer without entries would mean the end of the directory.
        if (to.position === start) throw new ErrnoError(errno.EINVAL, 'readdir count')
        return
      }
      const path = keep({ dots: dotsOf(at + NAME, nul), ino: view.getBigUint64(at, true) })
      if (path === undefined) continue
      const found = view.getUint8(at + TYPE)
      const type = hidesTypes && found === DT_REG ? DT_UNKNOWN : found
      kinds.qid.write(to, entryQid(type, path))
      to.u32(view.getUint32(at + OFFSET, true))
      to.u32(view.getUint32(at + OFFSET + 4, true))
      to.u8(type)
      to.stringOf(bytes, at + NAME, nul)
    }
  }
}

function dotsOf(start: number, end: number): HostEntry['dots'] {
  const { bytes } = buffer
  const length = end - start
  if (length > 2 || bytes[start] !== DOT || bytes[end - 1] !== DOT) return 0
  return length === 1 ? 1 : 2
}

/** A qid without a version: nobody opens a file with the qid of a directory's entry. */
function entryQid(type: number, path: bigint): Qid {
  const bits =
    type === DT_DIR ? qidType.directory : type === DT_LNK ? qidType.symlink : qidType.file
  return { type: bits, version: 0, path }
}
