/** A signal that asks this process to end, as the reason of an abort. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
  /** What a shell would report: 128 + the signal's number. */
  readonly exitStatus: number

  constructor(signal: keyof typeof numbers) {
    super(`ended by ${signal}`)
    this.exitStatus = 128 + numbers[signal]
  }
}

const numbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const

/** Aborts when this process is asked to end, so that everything can be closed in order. */
export function abortOnSignals(): AbortSignal {
  const controller = new AbortController()
  for (const signal of Object.keys(numbers) as (keyof typeof numbers)[]) {
    process.on(signal, () => controller.abort(new Interrupted(signal)))
  }
  return controller.signal
}
