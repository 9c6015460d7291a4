import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Load, LoadAnswer, LoadRequest } from './load.ts'

/** How long an answer may take in addition to the time of the measurement, in milliseconds. */
const TIMEOUT_MS = 30_000

/** The process that puts load on the servers. */
export class Client implements Disposable {
  readonly #child: ChildProcess = fork(fileURLToPath(new URL('./load.js', import.meta.url)))

  get pid(): number {
    return this.#child.pid!
  }

  async measure(request: LoadRequest): Promise<Load> {
    const signal = AbortSignal.timeout(request.milliseconds + TIMEOUT_MS)
    this.#child.send(request)
    const [answer] = (await once(this.#child, 'message', { signal })) as [LoadAnswer]
    if ('failure' in answer) throw new Error(answer.failure)
    return answer
  }

  [Symbol.dispose](): void {
    // It may be blocked in a system call.
    this.#child.kill('SIGKILL')
  }
}
