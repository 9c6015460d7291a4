import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import { built } from './ordinary-user.ts'

const script = `
  import { openSync, constants } from 'node:fs'
  import { createInterface } from 'node:readline'
  const { setOfdLock } = await import(${JSON.stringify(built('sys/locks.js'))})
  const fd = openSync(process.argv[1], constants.O_RDWR)
  console.log('open')
  for await (const line of createInterface({ input: process.stdin })) {
    const [type, start, end] = line.split(' ')
    console.log(setOfdLock(fd, type, { start: BigInt(start), end: BigInt(end) }))
  }
`

/** A program of the host's, which locks ranges of one file for itself. */
export class HostLocker implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #answers: Interface

  private constructor(path: string) {
    const node = ['--input-type=module', '--eval', script, path]
    this.#child = spawn(process.execPath, node, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#answers = createInterface({ input: this.#child.stdout! })
  }

  static async start(path: string): Promise<HostLocker> {
    const locker = new HostLocker(path)
    await once(locker.#answers, 'line')
    return locker
  }

  /** F_SETLK: whether it was granted. `none` gives the range back. */
  async lock(type: 'read' | 'write' | 'none', start = 0, end = 99): Promise<boolean> {
    this.#child.stdin!.write(`${type} ${start} ${end}\n`)
    const [answer] = (await once(this.#answers, 'line')) as [string]
    return answer === 'true'
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin!.end()
    await once(this.#child, 'close')
  }
}
