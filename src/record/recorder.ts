import { AsyncLocalStorage } from 'node:async_hooks'
import type { CommandEnded, Happening, MachineEvent, StreamName } from './event.ts'
import { OutputRecord } from './output-record.ts'
import { RecentEvents } from './recent-events.ts'
import { RecordFolder } from './record-folder.ts'
import { messageOf } from '../util/error.ts'
import { withoutMiddle } from '../util/without-middle.ts'

/** The longest text of an event, in characters. A part of a command's output is shorter, also in base64. */
const TEXT = 128 * 1024

/** The record of a command that runs. */
export interface CommandRecord {
  /** Records bytes that the command wrote, in order. The caller may reuse the memory afterwards. */
  output(stream: StreamName, bytes: Uint8Array): void
  /** Records the command's end, after all of its output. */
  end(how: Omit<CommandEnded, 'kind' | 'id'>): void
}

/** The record of a wait that goes on. */
export interface WaitRecord {
  /** Records the end of the wait. @param failure why the event did not come; without it, it came. */
  end(failure?: string): void
}

/**
 * The record of one machine: the newest events in memory, and the folder of artifacts, if there is one, has all of them, or
 * the beginning and the end of a long record. An error with the folder is kept in {@link fault} and not thrown, so that a full disk does not fail a test.
 */
export class Recorder implements Disposable {
  readonly #steps = new AsyncLocalStorage<number>()
  readonly #recent = new RecentEvents()
  #folder: RecordFolder | undefined
  #fault: Error | undefined
  #lastId = 0
  #lastTime = 0

  /** @param folder an existing folder to write into. */
  constructor(folder?: string) {
    this.#folder = folder === undefined ? undefined : new RecordFolder(folder)
  }

  /** The first event and the newest ones, oldest first. */
  get events(): readonly MachineEvent[] {
    return this.#recent.all
  }

  /** The error that stopped writing to the folder; undefined where all events were written. */
  get fault(): Error | undefined {
    return this.#fault
  }

  /** Records an event that has no duration. */
  event(happening: Happening): void {
    const now = Math.round((performance.timeOrigin + performance.now()) * 10) / 10
    this.#lastTime = Math.max(this.#lastTime, now)
    const event = { time: this.#lastTime, ...bounded(happening) }
    this.#recent.add(event)
    try {
      this.#folder?.add(event)
    } catch (error) {
      if (!isSystemError(error)) throw error
      // The line may be half written, so no other may follow.
      this.#fault = error
      this.#close()
    }
  }

  /** Records the start of a command, as part of the current step. */
  command(line: {
    readonly text: string
    readonly user?: string
    readonly cwd?: string
  }): CommandRecord {
    const id = this.#begin()
    this.event({ kind: 'command-started', id, ...line, ...this.#step() })
    const streams = { stdout: this.#stream(id, 'stdout'), stderr: this.#stream(id, 'stderr') }
    return {
      output: (stream, bytes) => streams[stream].add(bytes),
      end: (how) => {
        streams.stdout.end()
        streams.stderr.end()
        this.event({ kind: 'command-ended', id, ...how })
      },
    }
  }

  /** Records the start of a wait, as part of the current step. */
  wait(what: string): WaitRecord {
    const id = this.#begin()
    this.event({ kind: 'wait-started', id, what, ...this.#step() })
    return {
      end: (failure) => {
        this.event({ kind: 'wait-ended', id, ...(failure === undefined ? {} : { failure }) })
      },
    }
  }

  /** Runs `body` as a step. Commands, waits and steps that `body` starts belong to it. */
  async step<T>(name: string, body: () => Promise<T> | T): Promise<T> {
    const id = this.#begin()
    this.event({ kind: 'step-started', id, name, ...this.#step() })
    try {
      const result = await this.#steps.run(id, body)
      this.event({ kind: 'step-ended', id })
      return result
    } catch (error) {
      const failure = messageOf(error)
      this.event({ kind: 'step-ended', id, failure })
      throw error
    }
  }

  /** Closes the files of the folder. Later events are kept in memory only. */
  [Symbol.dispose](): void {
    this.#close()
  }

  #begin(): number {
    this.#lastId += 1
    return this.#lastId
  }

  #step(): { readonly step?: number } {
    const step = this.#steps.getStore()
    return step === undefined ? {} : { step }
  }

  #stream(id: number, stream: StreamName): OutputRecord {
    return new OutputRecord((part) => this.event({ kind: 'command-output', id, stream, ...part }))
  }

  #close(): void {
    this.#folder?.[Symbol.dispose]()
    this.#folder = undefined
  }
}

/** An event whose texts are too long, such as a failure that quotes megabytes of output, loses their middles. */
function bounded(happening: Happening): Happening {
  const tooLong = Object.entries(happening).filter(
    ([, value]) => typeof value === 'string' && value.length > TEXT,
  )
  if (tooLong.length === 0) return happening
  const short = tooLong.map(([name, value]) => [name, withoutMiddle(String(value), TEXT)])
  return { ...happening, ...(Object.fromEntries(short) as object) }
}

/** Whether an error is one of a system call. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error
}
