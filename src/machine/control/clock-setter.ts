import { clockScript } from '../../guest/agent.ts'
import type { SyntheticFile } from '../../tree/synthetic/entry.ts'
import { OnceFile } from './once-file.ts'

/** What a {@link ClockSetter} calls. */
export interface ClockSetterEvents {
  /** The guest has to start the process. */
  start(): void
  /** The process is there, and waits. */
  onWaiting(): void
}

/**
 * The host's side of a process in the guest that waits for the time, and then sets the clock. The process is started before
 * a machine is saved: a restored guest would take long to start one, since an emulated CPU has to translate the guest's
 * code anew.
 */
export class ClockSetter {
  readonly #events: ClockSetterEvents
  readonly #file: OnceFile
  /** Whether the guest has, or will have, a process that still waits for the time. */
  #state: 'none' | 'coming' | 'waiting' = 'none'
  readonly #told: (() => void)[] = []

  /** @param isWaiting whether a restored guest has the process already. */
  constructor(events: ClockSetterEvents, isWaiting: boolean) {
    this.#events = events
    this.#file = new OnceFile(
      () => this.#wait(),
      (hadContent) => this.#end(hadContent),
    )
    if (isWaiting) this.#state = 'waiting'
  }

  /** Blocks until the time is known, then reads as a script for a shell. */
  get file(): SyntheticFile {
    return this.#file.file
  }

  get isWaiting(): boolean {
    return this.#state === 'waiting'
  }

  /** Starts the process, unless there is one. */
  prepare(): void {
    if (this.#state !== 'none') return
    this.#state = 'coming'
    this.#events.start()
  }

  /**
   * Sets the guest's clock, and resolves when it is; never when the guest ends first.
   *
   * @param seconds since the epoch.
   */
  set(seconds: number): Promise<void> {
    this.prepare()
    this.#state = 'none'
    this.#file.offer(Buffer.from(clockScript(seconds)))
    return new Promise((done) => {
      this.#told.push(done)
    })
  }

  /** The guest starts anew. */
  clear(): void {
    this.#state = 'none'
    this.#file.clear()
    this.#told.length = 0
  }

  /** A process that was given the time before it asked does not wait. */
  #wait(): void {
    if (this.#state !== 'coming') return
    this.#state = 'waiting'
    this.#events.onWaiting()
  }

  /** The process has closed the file: it has ended. */
  #end(hadContent: boolean): void {
    if (hadContent) this.#told.shift()?.()
    else this.#state = 'none'
  }
}
