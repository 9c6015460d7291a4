import { clockScript } from '../../guest/agent.ts'
import type { SyntheticFile } from '../../tree/synthetic/entry.ts'
import { OnceFile } from './once-file.ts'

/** What has to do with a {@link ClockSetter}. */
export interface ClockSetterEvents {
  /** Has the guest start the process. */
  start(): void
  /** It is there, and waits. */
  onWaiting(): void
}

/**
 * The host's side of a process of the guest's that waits for the time with nothing left to do but to set the clock. It is
 * started before a machine is saved: a guest that goes on would take long to start one, since a processor that is
 * emulated has forgotten all that it knew of the guest's code.
 */
export class ClockSetter {
  readonly #events: ClockSetterEvents
  readonly #file: OnceFile
  /** Whether the guest has one, or will have, that nobody has told the time. */
  #state: 'none' | 'coming' | 'waiting' = 'none'
  readonly #told: (() => void)[] = []

  /** @param isWaiting whether there is one, of a guest that goes on. */
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

  /** Sees to it that there is one. */
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

  /** One that was told while it was on its way has the time at once. */
  #wait(): void {
    if (this.#state !== 'coming') return
    this.#state = 'waiting'
    this.#events.onWaiting()
  }

  /** It has closed the file, which it does when it ends. */
  #end(hadContent: boolean): void {
    if (hadContent) this.#told.shift()?.()
    else this.#state = 'none'
  }
}
