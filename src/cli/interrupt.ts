/** The command took longer than the user allows. */
export class TimedOut extends Error {
  override readonly name = 'TimedOut'
  /** As timeout(1) has it. */
  static readonly exitStatus = 124
  readonly exitStatus = TimedOut.exitStatus
}

/** The reason of an abort by a signal that asks this process to end. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
  /** As a shell reports it: 128 + the signal's number. */
  readonly exitStatus: number
  readonly signal: keyof typeof numbers

  constructor(signal: keyof typeof numbers) {
    super(`ended by ${signal}`)
    this.signal = signal
    this.exitStatus = 128 + numbers[signal]
  }
}

const numbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const

/** Aborts when a signal asks this process to end, so that everything can be closed in order. */
export function abortOnSignals(): AbortSignal {
  const controller = new AbortController()
  for (const signal of Object.keys(numbers) as (keyof typeof numbers)[]) {
    process.on(signal, () => controller.abort(new Interrupted(signal)))
  }
  return controller.signal
}
