/**
 * What happened to a machine, as it is kept: one event is one line of `events.jsonl`. Commands, waits
 * and steps have a beginning and an end, two events with the same `id`; ids are unique within one record.
 */
export type MachineEvent = Happening & {
  /** When, in milliseconds since the epoch. It never goes back within one record. */
  readonly time: number
}

/** An event without its time, which the recorder knows. */
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
  | Note

/** The first event of every record. */
export interface MachineMade {
  readonly kind: 'machine'
  readonly name: string
  readonly accelerator: 'kvm' | 'tcg'
  /** Why that one, in a sentence without its full stop. */
  readonly acceleratorReason?: string
  /** What it was made with, as it may be shown to people. */
  readonly options?: Readonly<Record<string, JsonValue>>
  /** Whose machine it is, where the one who boots it knows. Otherwise the time tells. */
  readonly test?: TestReference
}

/** What JSON can say. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue }

/** A test, as its runner knows it. */
export interface TestReference {
  /** The file's absolute path. */
  readonly file: string
  /** The names of the suites that it is in, outermost first, and its own. */
  readonly name: readonly string[]
}

/** QEMU was started; a machine that is restored or reset may have several. */
export interface QemuStarted {
  readonly kind: 'qemu'
  /** The command line, word by word. */
  readonly command: readonly string[]
  readonly version?: string
}

/** How far the boot is. */
export interface PhaseReached {
  readonly kind: 'phase'
  readonly phase: string
}

/** It takes commands from now on. */
export interface MachineReady {
  readonly kind: 'ready'
}

export interface CommandStarted {
  readonly kind: 'command-started'
  readonly id: number
  /** As it was given to the guest's shell. */
  readonly text: string
  readonly user?: string
  readonly cwd?: string
  /** The step that it is part of. */
  readonly step?: number
}

/** A command's streams. */
export type StreamName = 'stdout' | 'stderr'

/** A part of what a command wrote; of a long stream the beginning and the end are kept. */
export interface CommandOutput {
  readonly kind: 'command-output'
  readonly id: number
  readonly stream: StreamName
  /** Bytes of the stream that are left out before this part. */
  readonly skipped?: number
  readonly text?: string
  /** Instead of the text where the bytes are no UTF-8. */
  readonly base64?: string
}

export interface CommandEnded {
  readonly kind: 'command-ended'
  readonly id: number
  /** 0 to 255; null where it did not exit by itself. */
  readonly exitCode: number | null
  /** The name of the signal that ended it, such as SIGKILL. */
  readonly signal?: string
  /** Why it was given up, such as a timeout. */
  readonly failure?: string
}

export interface WaitStarted {
  readonly kind: 'wait-started'
  readonly id: number
  /** What for, as in "unit nginx.service". */
  readonly what: string
  readonly step?: number
}

export interface WaitEnded {
  readonly kind: 'wait-ended'
  readonly id: number
  /** Why it was in vain; without one, what was waited for has come. */
  readonly failure?: string
}

export interface StepStarted {
  readonly kind: 'step-started'
  readonly id: number
  readonly name: string
  /** The step around it. */
  readonly step?: number
}

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

export interface ScreenshotTaken {
  readonly kind: 'screenshot'
  /** A PNG file, relative to the folder of artifacts. */
  readonly file: string
}

export interface UnitFailed {
  readonly kind: 'unit-failed'
  readonly unit: string
  /** systemd's word for why, such as `exit-code`. */
  readonly result?: string
}

export interface FileCopied {
  readonly kind: 'file-copied'
  readonly direction: 'to-guest' | 'to-host'
  readonly source: string
  readonly target: string
}

/** The machine's network is not what it was before. */
export interface NetworkChanged {
  readonly kind: 'network'
  /** In what, as in "50 ms of delay to server". */
  readonly change: string
}

export interface SnapshotUsed {
  readonly kind: 'snapshot'
  readonly action: 'saved' | 'restored'
  readonly name: string
}

export interface MachineEnded {
  readonly kind: 'ended'
  readonly reason: string
  /** Whether nobody had asked for it. */
  readonly unexpected?: boolean
}

/** Anything else that is worth a line. */
export interface Note {
  readonly kind: 'note'
  readonly text: string
}
