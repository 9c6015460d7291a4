import type {
  CommandEnded,
  CommandOutput,
  CommandStarted,
  FileCopied,
  LinesLeftOut,
  MachineEvent,
  MachineMade,
  NetworkChanged,
  Note,
  MachineEnded,
  QemuStarted,
  ScreenshotTaken,
  SnapshotUsed,
  UnitFailed,
} from '../record/event.ts'

/** The most entries of a history: a page with more of them takes a browser too long. */
const ENTRIES = 20_000

/** The history of one machine, put together from its events. Times are milliseconds since the epoch. */
export interface MachineHistory {
  readonly made: MachineMade
  readonly start: number
  readonly end: number
  /** Spans and moments, in the order in which they began. */
  readonly entries: readonly Entry[]
  readonly console: readonly HistoryLine[]
  readonly qemu: readonly QemuStarted[]
}

/** A line of the console. */
export interface HistoryLine {
  readonly time: number
  readonly line: string
  /** The lines that are left out instead of this one, which is empty. */
  readonly leftOut?: LinesLeftOut
}

/** Something that took time. */
export interface Span {
  readonly start: number
  /** Of a span that did not end, the time of the record's last event. */
  readonly end: number
  readonly isOver: boolean
  /** Why it failed, if it did. */
  readonly failure?: string
  /** How many steps are around it. */
  readonly depth: number
}

export interface CommandEntry extends Span {
  readonly kind: 'command'
  readonly line: CommandStarted
  readonly output: readonly CommandOutput[]
  readonly ended?: CommandEnded
}

export interface WaitEntry extends Span {
  readonly kind: 'wait'
  readonly what: string
}

export interface StepEntry extends Span {
  readonly kind: 'step'
  readonly name: string
}

/** From QEMU's start until the machine took commands. */
export interface BootEntry extends Span {
  readonly kind: 'boot'
  readonly phases: readonly { readonly time: number; readonly phase: string }[]
}

/** Something that happened at one moment. */
export interface MomentEntry {
  readonly kind: 'moment'
  readonly start: number
  readonly end: number
  readonly event:
    | FileCopied
    | LinesLeftOut
    | MachineEnded
    | NetworkChanged
    | Note
    | ScreenshotTaken
    | SnapshotUsed
    | UnitFailed
}

export type SpanEntry = BootEntry | CommandEntry | StepEntry | WaitEntry

export type Entry = SpanEntry | MomentEntry

/** Puts a machine's events together; undefined where there are none. */
export function historyOf(events: readonly MachineEvent[]): MachineHistory | undefined {
  const [first] = events
  const last = events.at(-1)
  if (first === undefined || last === undefined) return undefined
  const builder = new Builder(last.time)
  for (const event of events) builder.add(event)
  return { start: first.time, end: last.time, ...builder.finish() }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

class Builder {
  readonly #end: number
  readonly #entries: Entry[] = []
  /** Commands, steps and waits by their ids. */
  readonly #begun = new Map<number, Mutable<CommandEntry | StepEntry | WaitEntry>>()
  readonly #outputs = new Map<number, CommandOutput[]>()
  readonly #console: HistoryLine[] = []
  readonly #qemu: QemuStarted[] = []
  #made: MachineMade = { kind: 'machine', name: 'machine', accelerator: 'tcg' }
  #boot: { entry: Mutable<BootEntry>; phases: { time: number; phase: string }[] } | undefined

  /** @param end the time of the record's last event. */
  constructor(end: number) {
    this.#end = end
  }

  finish(): Omit<MachineHistory, 'start' | 'end'> {
    return {
      made: this.#made,
      entries: withoutMiddle(this.#entries),
      console: this.#console,
      qemu: this.#qemu,
    }
  }

  add(event: MachineEvent): void {
    const { time } = event
    switch (event.kind) {
      case 'machine':
        this.#made = event
        break
      case 'qemu': {
        this.#qemu.push(event)
        const phases: { time: number; phase: string }[] = []
        const entry: Mutable<BootEntry> = { kind: 'boot', phases, ...this.#span(time) }
        this.#boot = { entry, phases }
        this.#entries.push(entry)
        break
      }
      case 'phase':
        this.#boot?.phases.push({ time, phase: event.phase })
        break
      case 'ready':
        if (this.#boot !== undefined) close(this.#boot.entry, time)
        this.#boot = undefined
        break
      case 'command-started': {
        const output: CommandOutput[] = []
        this.#outputs.set(event.id, output)
        const span = this.#span(time, event.step)
        this.#begin(event.id, { kind: 'command', line: event, output, ...span })
        break
      }
      case 'command-output':
        this.#outputs.get(event.id)?.push(event)
        break
      case 'command-ended': {
        const entry = this.#begun.get(event.id)
        if (entry?.kind !== 'command') break
        entry.ended = event
        close(entry, time, event.failure)
        break
      }
      case 'wait-started': {
        const span = this.#span(time, event.step)
        this.#begin(event.id, { kind: 'wait', what: event.what, ...span })
        break
      }
      case 'step-started': {
        const span = this.#span(time, event.step)
        this.#begin(event.id, { kind: 'step', name: event.name, ...span })
        break
      }
      case 'wait-ended':
      case 'step-ended': {
        const entry = this.#begun.get(event.id)
        if (entry !== undefined) close(entry, time, event.failure)
        break
      }
      case 'console':
        this.#console.push({ time, line: event.line })
        break
      case 'left-out':
        if (event.what === 'console') this.#console.push({ time, line: '', leftOut: event })
        else this.#entries.push({ kind: 'moment', start: time, end: time, event })
        break
      case 'ended':
      case 'file-copied':
      case 'network':
      case 'note':
      case 'screenshot':
      case 'snapshot':
      case 'unit-failed':
        this.#entries.push({ kind: 'moment', start: time, end: time, event })
        break
      default:
        // A newer version may have written further kinds of events: they are left out.
        event satisfies never
    }
  }

  #begin(id: number, entry: Mutable<CommandEntry | StepEntry | WaitEntry>): void {
    this.#begun.set(id, entry)
    this.#entries.push(entry)
  }

  #span(start: number, step?: number): Span {
    const around = step === undefined ? undefined : this.#begun.get(step)
    const depth = around === undefined ? 0 : around.depth + 1
    return { start, end: this.#end, isOver: false, depth }
  }
}

/** The first and the last entries, with one between them that says how many are left out. */
function withoutMiddle(entries: readonly Entry[]): readonly Entry[] {
  const middle = entries.slice(ENTRIES / 2, -ENTRIES / 2)
  const [first] = middle
  if (first === undefined) return entries
  const event: LinesLeftOut = { kind: 'left-out', what: 'events', lines: middle.length, bytes: 0 }
  return [
    ...entries.slice(0, ENTRIES / 2),
    { kind: 'moment', start: first.start, end: first.start, event },
    ...entries.slice(-ENTRIES / 2),
  ]
}

function close(entry: Mutable<SpanEntry>, time: number, failure?: string): void {
  entry.end = time
  entry.isOver = true
  if (failure !== undefined) entry.failure = failure
}
