import type { Stat } from '../../sys/statx.ts'

/** What identifies a file, see {@link Stat}. */
export type FoundFile = Pick<
  Stat,
  'mode' | 'dev' | 'inoLow' | 'inoHigh' | 'birth' | 'ctimeSec' | 'ctimeNsec' | 'size'
>

/** A file of the host, as it was when it was saved. */
export interface SavedFile extends FoundFile {
  /** See InodeNumbers. */
  readonly prefix: number
  /** Whether it is part of a view of the kernel, see kernel-views.ts. */
  readonly sealed: boolean
}

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
  ].join(' ')
}

/** Parses the text that {@link fileText} has made. */
export function fileOf(text: string): SavedFile {
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
  ] = text.split(' ').map(Number)
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
  }
}
