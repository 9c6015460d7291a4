export interface WaitErrorOptions extends ErrorOptions {
  readonly details?: string
}

/** Something that was waited for has not come, or will not come any more. */
export class WaitError extends Error {
  override readonly name = 'WaitError'
  /** The machine that it was waited for on. */
  readonly machine: string
  /** What for. */
  readonly what: string
  /** The end of the machine's console. */
  readonly console: string

  /** @param why as in "did not come within 30 seconds"; `details` are lines that explain it. */
  constructor(
    { machine, what, console }: Pick<WaitError, 'machine' | 'what' | 'console'>,
    why: string,
    { details = '', ...options }: WaitErrorOptions = {},
  ) {
    const lines = details.trim() === '' ? '' : `\n${details.trimEnd()}`
    const end = console.trim() === '' ? '' : `\n--- console\n${console.trimEnd()}`
    super(`${machine}: ${what}: ${why}.${lines}${end}`, options)
    this.machine = machine
    this.what = what
    this.console = console
  }
}
