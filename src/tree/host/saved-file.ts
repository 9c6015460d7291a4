import type { Stat } from '../../sys/statx.ts'

/** What identifies a file, see {@link Stat}. */
export type FoundFile = Pick<
  Stat,
  'mode' | 'dev' | 'inoLow' | 'inoHigh' | 'birth' | 'bornAt' | 'ctimeSec' | 'ctimeNsec' | 'size'
>

/** A file of the host, as it was when it was saved. */
export interface SavedFile extends FoundFile {
  /** See InodeNumbers. */
  readonly prefix: number
  /** Whether it is part of a view of the kernel, see kernel-views.ts. */
  readonly sealed: boolean
  /** Its file handle, if the inode number and the time of birth do not identify it; '' for none. */
  readonly handle: string
}

/** {@link FoundFile.bornAt} of a saved file, which only tells whether the birth identifies it, see births.ts. */
export const LONG_AGO = 0
export const JUST_NOW = Number.MAX_SAFE_INTEGER

/** A saved file as text, see SavedPlace in tree.ts. */
export function fileText(file: SavedFile): string {
  return [
    file.mode,
    file.dev,
    file.inoLow,
    file.inoHigh,
    file.birth,
    file.ctimeSec,
    file.ctimeNsec,
    file.size,
    file.prefix,
    file.sealed ? 1 : 0,
    file.bornAt,
    // Behind it, because a text that has no handle has nothing at this place.
    Buffer.from(file.handle, 'latin1').toString('hex'),
  ].join(' ')
}

/** How many numbers are before the handle. */
const NUMBERS = 11

/** Parses the text that {@link fileText} has made. */
export function fileOf(text: string): SavedFile {
  const words = text.split(' ')
  const [
    mode = 0,
    dev = 0,
    inoLow = 0,
    inoHigh = 0,
    birth = 0,
    ctimeSec = 0,
    ctimeNsec = 0,
    size = 0,
    prefix = 0,
    sealed = 0,
    bornAt = LONG_AGO,
  ] = words.slice(0, NUMBERS).map(Number)
  return {
    mode,
    dev,
    inoLow,
    inoHigh,
    birth,
    ctimeSec,
    ctimeNsec,
    size,
    prefix,
    sealed: sealed === 1,
    bornAt,
    handle: Buffer.from(words[NUMBERS] ?? '', 'hex').toString('latin1'),
  }
}
