import { closeSync, openSync } from 'node:fs'
import { ReadStream, WriteStream } from 'node:tty'

/**
 * The terminal of whoever runs the tests. A test's runner gives its processes other streams, so it is not looked for
 * there.
 */
export class OwnTerminal implements Disposable {
  readonly input: ReadStream
  readonly output: WriteStream

  /** @param what wants one. @throws Error when this process has none. */
  constructor(what: string) {
    const path = '/dev/tty'
    let descriptor: number
    try {
      descriptor = openSync(path, 'r+')
    } catch (cause) {
      throw new Error(`${what} takes a terminal, and this process has none (${path}).`, { cause })
    }
    try {
      this.input = new ReadStream(descriptor)
      this.output = new WriteStream(openSync(path, 'r+'))
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
