import type { Reader, Writer } from '../../wire/cursor.ts'
import type { Qid } from './qid.ts'
import { kinds } from './kinds.ts'
import { QID_BYTES } from './limits.ts'

/** One entry of Rreaddir's payload: qid[13] offset[8] type[1] name[s]. */
export interface Dirent {
  readonly qid: Qid
  /** Opaque: a Treaddir with this offset goes on behind this entry. */
  readonly offset: bigint
  /** DT_* of dirent.h. */
  readonly type: number
  readonly name: string
}

/** The size of an entry whose name has `nameBytes` bytes. */
export function direntBytes(nameBytes: number): number {
  return QID_BYTES + 8 + 1 + 2 + nameBytes
}

export function writeDirent(to: Writer, entry: Dirent): void {
  kinds.qid.write(to, entry.qid)
  to.u64(entry.offset)
  to.u8(entry.type)
  to.string(entry.name)
}

export function readDirent(from: Reader): Dirent {
  return { qid: kinds.qid.read(from), offset: from.u64(), type: from.u8(), name: from.string() }
}
