import { AsyncLocalStorage } from 'node:async_hooks'
import type { CommandEnded, Happening, MachineEvent, StreamName } from './event.ts'
import { OutputRecord } from './output-record.ts'
import { RecentEvents } from './recent-events.ts'
import { RecordFolder } from './record-folder.ts'

/** A command that runs, as far as its record goes. */
export interface CommandRecord {
  /** Bytes that it wrote, in order; they may be used again afterwards. */
  output(stream: StreamName, bytes: Uint8Array): void
  /** Its end, after all of its output. */
  end(how: Omit<CommandEnded, 'kind' | 'id'>): void
}

/** A wait that goes on. */
export interface WaitRecord {
  /** @param failure why it was in vain; without one, what was waited for has come. */
  end(failure?: string): void
}

/**
 * Keeps what happens to one machine: in memory, bounded, and in a folder of artifacts if there is one.
 * Nothing here throws because of the folder: a test does not fail because a disk is full.
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

  /** What is remembered, oldest first: the first event and the newest. */
  get events(): readonly MachineEvent[] {
    return this.#recent.all
  }

  /** Why the folder has not got everything, if so. */
  get fault(): Error | undefined {
    return this.#fault
  }

  /** Something that takes no time has happened. */
  event(happening: Happening): void {
    const now = Math.round((performance.timeOrigin + performance.now()) * 10) / 10
    this.#lastTime = Math.max(this.#lastTime, now)
    const event = { time: this.#lastTime, ...happening }
    this.#recent.add(event)
    try {
      this.#folder?.add(event)
    } catch (error) {
      // A line may be half written, so none may follow.
      this.#fault = error as Error
      this.#close()
    }
  }

  /** A command starts, within the step that is under way. */
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

  /** A wait starts, within the step that is under way. */
  wait(what: string): WaitRecord {
    const id = this.#begin()
    this.event({ kind: 'wait-started', id, what, ...this.#step() })
    return {
      end: (failure) => {
        this.event({ kind: 'wait-ended', id, ...(failure === undefined ? {} : { failure }) })
      },
    }
  }

  /** Runs `body` as a step: what it starts belongs to it, and steps may be within steps. */
  async step<T>(name: string, body: () => Promise<T> | T): Promise<T> {
    const id = this.#begin()
    this.event({ kind: 'step-started', id, name, ...this.#step() })
    try {
      const result = await this.#steps.run(id, body)
      this.event({ kind: 'step-ended', id })
      return result
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error)
      this.event({ kind: 'step-ended', id, failure })
      throw error
    }
  }

  /** Closes the folder's files; what happens later is only remembered. */
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
