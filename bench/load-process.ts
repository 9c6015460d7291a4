import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

/** How long an answer may take in addition to the time of the measurement, in milliseconds. */
const TIMEOUT_MS = 30_000

/** A process that puts load on servers: it gets requests for measurements and answers each with a result or a failure. */
export class LoadProcess<
  Request extends { readonly milliseconds: number },
  Load extends object,
> implements Disposable {
  readonly #child: ChildProcess

  /** @param program the path of its compiled program. */
  constructor(program: string) {
    this.#child = fork(program)
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** @throws Error with the failure that it has answered with. */
  async measure(request: Request): Promise<Load> {
    const signal = AbortSignal.timeout(request.milliseconds + TIMEOUT_MS)
    this.#child.send(request)
    const [answer] = (await once(this.#child, 'message', { signal })) as [
      Load | { readonly failure: string },
    ]
    if ('failure' in answer) throw new Error(answer.failure)
    return answer
  }

  [Symbol.dispose](): void {
    // It may be blocked in a system call.
    this.#child.kill('SIGKILL')
  }
}
