/** Which of the goals is for a workload. */
export type WorkloadGroup = 'metadata' | 'read' | 'change' | 'build'

/** What one measurement is about. */
export interface Portion {
  /** Directories of `source`, relative to it, that are found and listed. */
  readonly listed: readonly string[]
  /** And those whose files are read, which takes longer. */
  readonly read: readonly string[]
  /** Object files of the project, relative to it. */
  readonly objects: readonly string[]
  /** How many files to create. */
  readonly files: number
  /** fio, as a shell starts it. */
  readonly fio: string
}

/** Something to measure: scripts for bash, in the root of a scratch tree. */
export interface Workload {
  readonly name: string
  readonly group: WorkloadGroup
  /** What comes before each run and does not count. */
  readonly prepare?: (portion: Portion) => string
  readonly run: (portion: Portion) => string
  /** How long it took in seconds, where the program says so itself on its standard output. */
  readonly seconds?: (output: string) => number
}
