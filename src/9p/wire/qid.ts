import type { FileIdentity } from '../../tree/attributes.ts'
import { modes } from '../../tree/flags.ts'

/** The server's identification of a file: unique while the file exists (intro(5)). */
export interface Qid {
  /** {@link qidType}. */
  readonly type: number
  /** Changes with the content. 0 tells Linux ≥ 6.4 to cache nothing of the file. */
  readonly version: number
  readonly path: bigint
}

export const qidType = { directory: 0x80, symlink: 0x02, file: 0x00 } as const

/** The qid of a tree's file. */
export function qidOf({ type, version, ino }: FileIdentity): Qid {
  return { type: qidTypeOf(type), version, path: ino }
}

/** A qid's type for a file of this type (S_IFMT bits). */
export function qidTypeOf(type: number): number {
  if (type === modes.DIRECTORY) return qidType.directory
  return type === modes.SYMLINK ? qidType.symlink : qidType.file
}
