/** What a fetch is busy with. */
export type ProgressPhase = 'index' | 'download' | 'unpack' | 'install' | 'finish'

/** One step of a fetch, to be shown to a person. */
export interface Progress {
  readonly phase: ProgressPhase
  /** What it is about, in a few words: "QEMU 7.2: 74 packages". */
  readonly detail: string
  /** How much of `total` is there: bytes while downloading, packages otherwise. */
  readonly done?: number
  readonly total?: number
}

export type OnProgress = (progress: Progress) => void
