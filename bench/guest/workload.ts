/** The group of a workload, which has a goal of its own. */
export type WorkloadGroup = 'metadata' | 'read' | 'change' | 'build'

/** The part of the tree that one measurement uses. */
export interface Portion {
  /** Directories of `source`, relative to it, that are found and listed. */
  readonly listed: readonly string[]
  /** Directories whose files are read; fewer, since that takes longer. */
  readonly read: readonly string[]
  /** Object files of the project, relative to it. */
  readonly objects: readonly string[]
  /** How many files to create. */
  readonly files: number
  /** The command line of fio, quoted for a shell. */
  readonly fio: string
}

/** A workload: scripts for bash, which run in the root of a tree. */
export interface Workload {
  readonly name: string
  readonly group: WorkloadGroup
  /** Runs before each run and is not measured. */
  readonly prepare?: (portion: Portion) => string
  readonly run: (portion: Portion) => string
  /** The time in seconds from the program's output, for programs that measure it themselves. */
  readonly seconds?: (output: string) => number
}
