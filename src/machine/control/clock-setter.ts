import { randomInt } from 'node:crypto'
import { type ClockStep, clockLookScript, clockScript, clockStepScript } from '../../guest/agent.ts'
import {
  type SyntheticDirectory,
  type SyntheticFile,
  constantFile,
  directory,
} from '../../tree/synthetic/entry.ts'
import {
  type GuestClock,
  type Look,
  type StepOptions,
  type Stepped,
  readAnswer,
} from './guest-clock.ts'
import { OnceFile } from './once-file.ts'
import { type ClockResult, setRight } from './set-right.ts'

/** What a {@link ClockSetter} calls. */
export interface ClockSetterEvents {
  /** The guest has to start the process. */
  start(): void
  /** The process is there, and waits. */
  onWaiting(): void
}

/** Whether the guest has, or will have, a process that waits to be told about its clock. `busy`: it runs a script. */
export type ClockProcess = 'none' | 'coming' | 'busy' | 'waiting'

/** An answer, and when the host had it. */
type Answer = Stepped & Pick<Look, 'arrived'>

/** The most bytes of an answer. */
const ANSWER = 128

/** How long the process may take for a script, in milliseconds. */
const PATIENCE = 60_000

/**
 * The host's side of a process in the guest that tells the guest's time and sets it. The process is started before a machine
 * is saved: a restored guest would take long to start one, since an emulated CPU has to translate the guest's code anew.
 *
 *     next          blocks until there is a script, then reads as that
 *     answer        takes what a script has found out
 *     go/ID         exists as long as the script with this number may set the clock
 */
export class ClockSetter implements GuestClock {
  readonly directory: SyntheticDirectory
  readonly #events: ClockSetterEvents
  readonly #scripts: OnceFile
  readonly #go = directory()
  readonly #now: () => number
  #state: ClockProcess
  /** A process that was saved with a script must not take the number of a later one for its own. */
  #lastId = randomInt(2 ** 40)
  /** What is to happen when a script has ended. */
  readonly #ends = new Map<Uint8Array, () => void>()
  /** The answers that are waited for. */
  readonly #asked = new Map<number, (answer: Answer | undefined) => void>()
  /** Ends {@link setRight}, while it is under way. */
  #run: AbortController | undefined
  #result: Promise<ClockResult> = Promise.resolve({ kind: 'unknown' })

  /**
   * @param saved the process that a restored guest has.
   * @param now the time in milliseconds since the epoch.
   */
  constructor(events: ClockSetterEvents, saved: ClockProcess, now: () => number = Date.now) {
    this.#events = events
    this.#now = now
    this.#scripts = new OnceFile(
      () => this.#wait(),
      (script) => this.#end(script),
    )
    // A process that was busy when it was saved comes back.
    this.#state = saved === 'busy' ? 'coming' : saved
    this.directory = directory({
      next: this.#scripts.file,
      answer: this.#answerFile(),
      go: this.#go,
    })
  }

  get process(): ClockProcess {
    return this.#state
  }

  /** Starts the process, unless there is one. */
  prepare(): void {
    if (this.#state !== 'none') return
    this.#state = 'coming'
    this.#events.start()
  }

  /** Stops {@link setRight}, also in the middle of a step: the machine is going to be saved. */
  stop(): void {
    this.#run?.abort()
    this.#go.entries.clear()
  }

  /** Sets the guest's clock until it is right. Does so once for all who ask meanwhile. */
  setRight(): Promise<ClockResult> {
    if (this.#run?.signal.aborted === false) return this.#result
    const run = new AbortController()
    this.#run = run
    this.#result = this.#result
      .then(() => setRight(this, run.signal))
      .finally(() => {
        if (this.#run === run) this.#run = undefined
      })
    return this.#result
  }

  /**
   * Sets the guest's clock to the second that has begun, and resolves when it is, or when the guest has not done so for a
   * minute; not earlier when the guest ends first.
   *
   * @param time in milliseconds since the epoch.
   */
  set(time: number): Promise<void> {
    this.prepare()
    this.#state = 'none'
    const script = Buffer.from(clockScript(Math.floor(time / 1000)))
    return new Promise((done) => {
      const timer = setTimeout(done, PATIENCE)
      timer.unref()
      this.#ends.set(script, () => {
        clearTimeout(timer)
        done()
      })
      this.#scripts.offer(script)
    })
  }

  async look(): Promise<Look | undefined> {
    let sent = Infinity
    const answer = await this.#ask(clockLookScript, () => {
      sent = this.#now()
    })
    return answer && { ...answer, sent }
  }

  async step({ late, lead, base: [from, to] }: StepOptions): Promise<Stepped | undefined> {
    const step: ClockStep = {
      late: Math.round(late * 1000),
      lead: Math.round(lead * 1000),
      base: [Math.floor(from * 1000), Math.ceil(to * 1000)],
    }
    return this.#ask((id) => {
      this.#go.entries.set(
        String(id),
        constantFile(() => new Uint8Array()),
      )
      return clockStepScript(id, step)
    })
  }

  /** The guest starts anew, or has ended. */
  clear(): void {
    this.#state = 'none'
    this.#scripts.clear()
    this.#ends.clear()
    this.stop()
    for (const settle of this.#asked.values()) settle(undefined)
  }

  /** Gives the process a script, and resolves with its answer; with undefined when there is none. */
  async #ask(
    script: (id: number) => string,
    onGiven: () => void = () => {},
  ): Promise<Answer | undefined> {
    const id = ++this.#lastId
    let timer: NodeJS.Timeout | undefined
    const answer = new Promise<Answer | undefined>((settle) => {
      this.#asked.set(id, settle)
      timer = setTimeout(() => {
        // Whatever has become of the process, another one answers the next script.
        this.#state = 'none'
        settle(undefined)
      }, PATIENCE)
      timer.unref()
    })
    this.prepare()
    this.#state = 'busy'
    this.#scripts.offer(Buffer.from(script(id)), onGiven)
    try {
      return await answer
    } finally {
      clearTimeout(timer)
      this.#asked.delete(id)
      this.#go.entries.delete(String(id))
    }
  }

  #answerFile(): SyntheticFile {
    return {
      kind: 'file',
      mode: 0o200,
      open: () => ({
        write: (_offset, bytes) => {
          const text = Buffer.from(bytes.subarray(0, ANSWER)).toString('latin1')
          const { id, clues } = readAnswer(text)
          // The host's clock has no fractions of a millisecond.
          this.#asked.get(id)?.(clues && { ...clues, arrived: this.#now() + 1 })
          return bytes.length
        },
      }),
    }
  }

  /** A process that was given a script before it asked does not wait. */
  #wait(): void {
    if (this.#scripts.offered.length > 0) return
    if (this.#state === 'none' || this.#state === 'waiting') return
    this.#state = 'waiting'
    this.#events.onWaiting()
  }

  /** The process has closed the file: its script is over, or it has ended without one. */
  #end(script: Uint8Array | undefined): void {
    if (script === undefined) this.#state = 'none'
    else {
      this.#ends.get(script)?.()
      this.#ends.delete(script)
    }
  }
}
