/** The record keeps what happens to a machine, as a list of events that are also lines of a file. */

/**
 * An event of a machine's record, which is one line of `events.jsonl`. Commands, waits and steps have two events, for their
 * start and their end, with the same `id`. Ids are unique within one record.
 */
export type MachineEvent = Happening & {
  /** Milliseconds since the epoch. Within one record, it never goes back. */
  readonly time: number
}

/** An event without its time, which the recorder adds. */
export type Happening =
  | MachineMade
  | QemuStarted
  | PhaseReached
  | MachineReady
  | CommandStarted
  | CommandOutput
  | CommandEnded
  | WaitStarted
  | WaitEnded
  | StepStarted
  | StepEnded
  | ConsoleLine
  | ScreenshotTaken
  | UnitFailed
  | FileCopied
  | NetworkChanged
  | SnapshotUsed
  | MachineEnded
  | LinesLeftOut
  | Note

/** The first event of every record. */
export interface MachineMade {
  readonly kind: 'machine'
  readonly name: string
  readonly accelerator: 'kvm' | 'tcg'
  /** Why that one, in a sentence without its full stop. */
  readonly acceleratorReason?: string
  /** The options of the machine, as far as they may be shown to people. */
  readonly options?: Readonly<Record<string, JsonValue>>
  /** The test that the machine belongs to. Without it, a report goes by the time of the test. */
  readonly test?: TestReference
}

/** A value of JSON. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue }

/** A test: its file and its name. */
export interface TestReference {
  /** The file's absolute path. */
  readonly file: string
  /** The names of the suites around it, outermost first, then its own name. */
  readonly name: readonly string[]
}

/** QEMU was started. */
export interface QemuStarted {
  readonly kind: 'qemu'
  /** The command line, word by word. */
  readonly command: readonly string[]
  readonly version?: string
}

/** The boot has reached a phase. */
export interface PhaseReached {
  readonly kind: 'phase'
  readonly phase: string
}

/** The machine is ready for its test. */
export interface MachineReady {
  readonly kind: 'ready'
}

/** A command was given to the guest. */
export interface CommandStarted {
  readonly kind: 'command-started'
  readonly id: number
  /** The command as the test wrote it. */
  readonly text: string
  readonly user?: string
  readonly cwd?: string
  /** The id of the step around it. */
  readonly step?: number
}

/** A command's streams. */
export type StreamName = 'stdout' | 'stderr'

/** A part of a command's output. Of a long stream, the beginning and the end are kept. */
export interface CommandOutput {
  readonly kind: 'command-output'
  readonly id: number
  readonly stream: StreamName
  /** The number of bytes that are left out before this part. */
  readonly skipped?: number
  readonly text?: string
  /** The bytes, instead of `text`, where they are not UTF-8. */
  readonly base64?: string
}

/** A command ended. */
export interface CommandEnded {
  readonly kind: 'command-ended'
  readonly id: number
  /** 0 to 255; null where the driver or the machine's end stopped the command. */
  readonly exitCode: number | null
  /** The name of the signal that ended it, such as SIGKILL. */
  readonly signal?: string
  /** Why the command was stopped, such as a timeout. */
  readonly failure?: string
}

/** A wait started. */
export interface WaitStarted {
  readonly kind: 'wait-started'
  readonly id: number
  /** The event that is waited for, such as "the unit nginx.service". */
  readonly what: string
  /** The id of the step around it. */
  readonly step?: number
}

/** A wait ended. */
export interface WaitEnded {
  readonly kind: 'wait-ended'
  readonly id: number
  /** Why the event did not come; undefined where it came. */
  readonly failure?: string
}

/** A step of a test started. */
export interface StepStarted {
  readonly kind: 'step-started'
  readonly id: number
  readonly name: string
  /** The id of the step around it. */
  readonly step?: number
}

/** A step of a test ended. */
export interface StepEnded {
  readonly kind: 'step-ended'
  readonly id: number
  readonly failure?: string
}

/** A line of the guest's console, without its end. */
export interface ConsoleLine {
  readonly kind: 'console'
  readonly line: string
}

/** A screenshot was taken. */
export interface ScreenshotTaken {
  readonly kind: 'screenshot'
  /** A PNG file, relative to the folder of artifacts. */
  readonly file: string
}

/** A unit that was waited for has failed. */
export interface UnitFailed {
  readonly kind: 'unit-failed'
  readonly unit: string
  /** The unit's property Result, such as `exit-code`. */
  readonly result?: string
}

/** A file or a directory was copied between host and guest. */
export interface FileCopied {
  readonly kind: 'file-copied'
  readonly direction: 'to-guest' | 'to-host'
  readonly source: string
  readonly target: string
}

/** The machine's network was changed. */
export interface NetworkChanged {
  readonly kind: 'network'
  /** The change, for a person, such as "client to server: delay 50". */
  readonly change: string
}

/** The machine was saved to a snapshot, or restored from one. */
export interface SnapshotUsed {
  readonly kind: 'snapshot'
  readonly action: 'saved' | 'restored'
  readonly name: string
}

/** The machine ended. */
export interface MachineEnded {
  readonly kind: 'ended'
  readonly reason: string
  /** Whether the end was not asked for. */
  readonly unexpected?: boolean
}

/**
 * Lines of the record are left out, because it has a limit: the lines between the beginning of the record and this event
 * that have come before.
 */
export interface LinesLeftOut {
  readonly kind: 'left-out'
  /** The lines of the console, or all other events. */
  readonly what: 'console' | 'events'
  readonly lines: number
  readonly bytes: number
}

/** Any other line for a person. */
export interface Note {
  readonly kind: 'note'
  readonly text: string
}
