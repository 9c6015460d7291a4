import { Readable } from 'node:stream'
import type { GuestCommand } from '../machine/control/control.ts'
import { streamEnd } from '../util/promises.ts'
import { type CommandFailure, failureText } from './command-error.ts'
import type { CommandEnded } from '../record/event.ts'
import { signalOf } from './signals.ts'

/** How a command ended. */
export interface ExecResult<Output extends string | Buffer = string> {
  /** As a shell gives it: 128 + n for signal n, 127 where there is no such program. */
  readonly exitCode: number
  /** The name of the signal that ended it, going by the exit code; null when none did. */
  readonly signal: NodeJS.Signals | null
  readonly stdout: Output
  readonly stderr: Output
}

/** A piece of output, as it came. */
export interface OutputPiece {
  readonly stream: 'stdout' | 'stderr'
  readonly data: Buffer
}

/** What a command's life is bounded by. */
export interface CommandBounds {
  /** Seconds until it is ended, with everything that it has started. */
  readonly timeout: number
  readonly signal: AbortSignal | undefined
  /** Most bytes of output that are kept; a command with more is ended. */
  readonly maxOutput: number
  readonly encoding: 'utf8' | 'buffer'
}

/** Who hears of a command. */
export interface CommandObserver {
  onOutput(piece: OutputPiece): void
  onEnd(how: Pick<CommandEnded, 'exitCode' | 'signal' | 'failure'>): void
  /** The error for a command that did not get to its end. */
  failure(failure: CommandFailure): Error
}

/**
 * A command under way in a guest: a promise of its result, and an iterable of its output while it runs.
 *
 * ```ts
 * const { exitCode, stdout } = await vm.exec('make check')
 * for await (const { stream, data } of vm.exec('journalctl -f')) process[stream].write(data)
 * ```
 *
 * To leave the loop ends the command, with everything that it has started.
 */
export class Command<Output extends string | Buffer = string>
  implements PromiseLike<ExecResult<Output>>, AsyncIterable<OutputPiece>
{
  readonly #guest: GuestCommand
  readonly #bounds: CommandBounds
  readonly #observer: CommandObserver
  readonly #pieces: OutputPiece[] = []
  readonly #result: Promise<ExecResult<Output>>
  #wake: (() => void)[] = []
  #over = false
  #size = 0
  #endedFor: CommandFailure | undefined

  constructor(guest: GuestCommand, bounds: CommandBounds, observer: CommandObserver) {
    this.#guest = guest
    this.#bounds = bounds
    this.#observer = observer
    this.#result = this.#follow()
    // One that nobody waits for is no failure of the process.
    this.#result.catch(() => {})
  }

  /**
   * Resolves with how it ended, whatever its exit code.
   *
   * @throws CommandError when it takes longer than its timeout or says more than is kept, the signal's reason when
   *   it is aborted, MachineError when the machine ends first. Nothing of it runs on then.
   */
  // oxlint-disable-next-line unicorn/no-thenable -- what `await vm.exec(…)` is about.
  then<A = ExecResult<Output>, B = never>(
    onResult?: ((result: ExecResult<Output>) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#result.then(onResult, onError)
  }

  /** The output as it comes, from the command's beginning on. Ends with it; throws what the result throws. */
  async *[Symbol.asyncIterator](): AsyncGenerator<OutputPiece, void> {
    try {
      for (let next = 0; ;) {
        const piece = this.#pieces[next]
        if (piece !== undefined) {
          next++
          yield piece
        } else if (this.#over) {
          await this.#result
          return
        } else {
          await new Promise<void>((resolve) => this.#wake.push(resolve))
        }
      }
    } finally {
      if (!this.#over) this.kill()
    }
  }

  /** The lines of a stream as they come, without their ends. Leaving the loop ends the command. */
  async *lines(stream: OutputPiece['stream'] = 'stdout'): AsyncGenerator<string, void> {
    const decoder = new TextDecoder()
    let line = ''
    for await (const piece of this) {
      if (piece.stream !== stream) continue
      const [first = '', ...others] = decoder.decode(piece.data, { stream: true }).split('\n')
      line += first
      for (const next of others) {
        yield line
        line = next
      }
    }
    line += decoder.decode()
    if (line !== '') yield line
  }

  /** The standard output as a stream, from the command's beginning on. */
  get stdout(): Readable {
    return this.#stream('stdout')
  }

  /** The standard error as a stream, from the command's beginning on. */
  get stderr(): Readable {
    return this.#stream('stderr')
  }

  /** Ends it with everything that it has started; its result is then that of SIGKILL. */
  kill(): void {
    this.#guest.kill()
  }

  #stream(stream: OutputPiece['stream']): Readable {
    const pieces = (async function* (command: AsyncIterable<OutputPiece>) {
      for await (const piece of command) if (piece.stream === stream) yield piece.data
    })(this)
    return Readable.from(pieces, { objectMode: false })
  }

  async #follow(): Promise<ExecResult<Output>> {
    const { timeout, signal } = this.#bounds
    const end = (failure: CommandFailure): void => {
      this.#endedFor ??= failure
      this.kill()
    }
    const abort = (): void => end({ kind: 'aborted', reason: signal?.reason })
    const timer = setTimeout(() => end({ kind: 'timeout', seconds: timeout }), timeout * 1000)
    for (const stream of ['stdout', 'stderr'] as const) {
      this.#guest[stream].on('data', (data: Buffer) => this.#add({ stream, data }, end))
    }
    if (signal?.aborted === true) abort()
    signal?.addEventListener('abort', abort, { once: true })
    let exitCode: number | null = null
    try {
      const ended = [this.#guest.stdout, this.#guest.stderr].map(streamEnd)
      exitCode = await this.#guest.exitStatus
      await Promise.all(ended)
      if (this.#endedFor !== undefined) throw this.#observer.failure(this.#endedFor)
      const [stdout, stderr] = [this.#output('stdout'), this.#output('stderr')]
      return { exitCode, signal: signalOf(exitCode), stdout, stderr }
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      this.#over = true
      this.#observer.onEnd(this.#end(exitCode))
      this.#wakeAll()
    }
  }

  #end(exitCode: number | null): Parameters<CommandObserver['onEnd']>[0] {
    if (this.#endedFor !== undefined)
      return { exitCode: null, failure: failureText(this.#endedFor) }
    if (exitCode === null) return { exitCode, failure: 'the machine ended' }
    const signal = signalOf(exitCode)
    return signal === null ? { exitCode } : { exitCode, signal }
  }

  /** What it has said so far, as text. */
  said(stream: OutputPiece['stream']): string {
    return this.#bytes(stream).toString()
  }

  #bytes(stream: OutputPiece['stream']): Buffer {
    return Buffer.concat(
      this.#pieces.flatMap((piece) => (piece.stream === stream ? [piece.data] : [])),
    )
  }

  #output(stream: OutputPiece['stream']): Output {
    const bytes = this.#bytes(stream)
    return (this.#bounds.encoding === 'utf8' ? bytes.toString() : bytes) as Output
  }

  #add(piece: OutputPiece, end: (failure: CommandFailure) => void): void {
    this.#size += piece.data.length
    if (this.#size > this.#bounds.maxOutput) {
      end({ kind: 'output', bytes: this.#bounds.maxOutput })
      return
    }
    this.#pieces.push(piece)
    this.#observer.onOutput(piece)
    this.#wakeAll()
  }

  #wakeAll(): void {
    const waiting = this.#wake
    this.#wake = []
    for (const wake of waiting) wake()
  }
}
