import type { DirectoryEntry, DirectoryVisitor } from '../tree/directory.ts'
import { entryTypes, modes } from '../tree/flags.ts'
import type { Writer } from '../wire/cursor.ts'
import { direntBytes } from './wire/dirent.ts'
import { QID_BYTES } from './wire/limits.ts'
import { qidTypeOf } from './wire/qid.ts'

/** Writes a directory's entries as the payload of a Rreaddir, while they fit. */
export class DirentWriter implements DirectoryVisitor {
  readonly #to: Writer
  /** Whether an entry did not fit. */
  isFull = false

  constructor(to: Writer) {
    this.#to = to
  }

  /** A 9P entry is at most 7/6 as long as the host's entry: that is so for a name of four bytes. */
  get room(): number {
    return Math.floor((this.#to.end - this.#to.position) / 7) * 6
  }

  visit(entry: DirectoryEntry): boolean {
    const { type, bytes, start, end } = entry
    const nameBytes = end - start
    if (direntBytes(nameBytes) > this.#to.end - this.#to.position) {
      this.isFull = true
      return false
    }
    // The layout of dirent.ts, written in one go: writing field by field takes 10 % longer.
    const { memory } = this.#to
    const { view, bytes: target } = memory
    const at = this.#to.take(direntBytes(nameBytes))
    view.setUint8(at, qidTypeOf(typeOf(type)))
    // The qid's version is 0: no client opens a file with the qid of a directory's entry.
    view.setUint32(at + 1, 0, true)
    view.setBigUint64(at + 5, entry.ino, true)
    view.setUint32(at + QID_BYTES, entry.cookieLow, true)
    view.setUint32(at + QID_BYTES + 4, entry.cookieHigh, true)
    view.setUint8(at + QID_BYTES + 8, type)
    view.setUint16(at + QID_BYTES + 9, nameBytes, true)
    let to = at + direntBytes(0)
    for (let from = start; from < end; from++) target[to++] = bytes[from] as number
    return true
  }
}

/** The S_IFMT bits for an entry's type, as far as a qid tells them apart. */
function typeOf(type: number): number {
  if (type === entryTypes.DIRECTORY) return modes.DIRECTORY
  return type === entryTypes.SYMLINK ? modes.SYMLINK : modes.FILE
}
