import { closeSync, constants, openSync } from 'node:fs'
import { ReadStream, WriteStream } from 'node:tty'

/** The environment variable that names the terminal where it is none of this process's session: its path. */
export const TERMINAL = 'LOWERDIR_TERMINAL'

/**
 * The terminal of whoever runs the tests. A test's runner gives its processes other streams, so it is not looked for
 * there.
 */
export class OwnTerminal implements Disposable {
  readonly input: ReadStream
  readonly output: WriteStream

  /** @param what wants one. @throws Error when this process has none. */
  constructor(what: string) {
    const path = process.env[TERMINAL] ?? '/dev/tty'
    const flags = constants.O_RDWR | constants.O_NOCTTY
    let descriptor: number
    try {
      descriptor = openSync(path, flags)
    } catch (cause) {
      const hint = 'Under `lowerdir test` it takes --shell-on-failure.'
      throw new Error(`${what} takes a terminal, and this process has none (${path}). ${hint}`, {
        cause,
      })
    }
    try {
      this.input = new ReadStream(descriptor)
      this.output = new WriteStream(openSync(path, flags))
    } catch (error) {
      closeSync(descriptor)
      throw error
    }
  }

  [Symbol.dispose](): void {
    this.input.destroy()
    this.output.destroy()
  }
}
