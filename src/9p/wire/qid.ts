/** What the server calls a file: unique while the file exists (intro(5)). */
export interface Qid {
  /** {@link qidType}. */
  readonly type: number
  /** Changes with the content; 0 would tell Linux ≥ 6.4 not to cache the file at all. */
  readonly version: number
  readonly path: bigint
}

export const qidType = { directory: 0x80, symlink: 0x02, file: 0x00 } as const
