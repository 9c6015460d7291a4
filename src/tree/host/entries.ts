import { ErrnoError, errno } from '../../errno.ts'
import type { Writer } from '../../protocol/cursor.ts'
import { direntBytes, writeDirent } from '../../protocol/dirent.ts'
import { type Qid, qidType } from '../../protocol/qid.ts'
import { getdents64, lseek } from '../../libc/files.ts'
import { systemMemory } from '../../libc/memory.ts'

/** DT_* of dirent.h, as far as a qid's type depends on them. */
const DT_DIR = 4
const DT_LNK = 10
const SEEK_SET = 0

const buffer = systemMemory(32 * 1024)

/** One name that getdents64(2) brought. */
export interface HostEntry {
  readonly name: string
  readonly ino: bigint
  /** DT_* */
  readonly type: number
}

/**
 * Writes the entries behind `cookie` as a Treaddir's payload while they fit. A cookie is the host's
 * own d_off, so that reading goes on from anywhere, also in another session.
 *
 * @throws EINVAL when there is no room for a single one.
 * @param keep says which entries are shown, and as which qid.path; undefined leaves one out.
 */
export function readEntries(
  fd: number,
  cookie: bigint,
  to: Writer,
  keep: (entry: HostEntry) => bigint | undefined,
): void {
  const start = to.position
  lseek(fd, cookie, SEEK_SET)
  const { bytes, view } = buffer
  for (;;) {
    // Fewer host bytes than room is left: their entries are about as long as ours.
    const room = Math.min(buffer.bytes.length, Math.max(1024, to.end - to.position))
    const end = getdents64(fd, buffer.address, room)
    if (end === 0) return
    // struct linux_dirent64: d_ino[8] d_off[8] d_reclen[2] d_type[1] d_name[], NUL-terminated
    for (let at = 0; at < end; at += view.getUint16(at + 16, true)) {
      const nul = bytes.indexOf(0, at + 19)
      const name = bytes.toString('latin1', at + 19, nul)
      if (direntBytes(name.length) > to.end - to.position) {
        // As getdents(2): an answer without entries would mean the end of the directory.
        if (to.position === start) throw new ErrnoError(errno.EINVAL, 'readdir count')
        return
      }
      const entry = { name, ino: view.getBigUint64(at, true), type: view.getUint8(at + 18) }
      const path = keep(entry)
      if (path === undefined) continue
      writeDirent(to, {
        qid: entryQid(entry.type, path),
        offset: view.getBigUint64(at + 8, true),
        type: entry.type,
        name,
      })
    }
  }
}

/** A qid without a version: nobody opens a file with the qid of a directory's entry. */
function entryQid(type: number, path: bigint): Qid {
  const bits =
    type === DT_DIR ? qidType.directory : type === DT_LNK ? qidType.symlink : qidType.file
  return { type: bits, version: 0, path }
}
