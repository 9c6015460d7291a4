import { constants } from 'node:os'
import { Readable } from 'node:stream'
import type { GuestCommand } from '../machine/control/control.ts'
import { printable } from '../util/printable.ts'
import { streamEnd } from '../util/promises.ts'
import type { CommandEnded } from '../record/event.ts'
import type { Answering } from './answering.ts'
import { CommandOutput, type OutputPiece } from './command-output.ts'
import { after } from './waits/after.ts'

export type { OutputPiece } from './command-output.ts'

/** How a command ended. */
export interface ExecResult<Output extends string | Buffer = string> {
  /** As a shell gives it: 128 + n for signal n, 127 where the program does not exist. */
  readonly exitCode: number
  /** The name of the signal that an exit code above 128 stands for; otherwise null. */
  readonly signal: NodeJS.Signals | null
  readonly stdout: Output
  readonly stderr: Output
}

/** Why the driver ended a command. */
export type CommandFailure =
  | { readonly kind: 'timeout'; readonly seconds: number }
  | { readonly kind: 'output'; readonly bytes: number }
  | { readonly kind: 'aborted'; readonly reason: unknown }
  | { readonly kind: 'killed' }
  | { readonly kind: 'silent'; readonly seconds: number }

/**
 * The failure as a predicate of the command, without a full stop.
 *
 * @param unconfirmed how many seconds the host has waited in vain for the guest to confirm the command's end.
 */
export function failureText(failure: CommandFailure, unconfirmed?: number): string {
  const why = reasonText(failure)
  if (unconfirmed === undefined) return why
  return `${why}; the guest has not confirmed that within ${unconfirmed} seconds, so it may run on`
}

function reasonText(failure: CommandFailure): string {
  switch (failure.kind) {
    case 'timeout':
      return `was ended after ${failure.seconds} seconds`
    case 'output':
      return `was ended after ${failure.bytes} bytes of output; maxOutput allows for more`
    case 'aborted':
      return 'was aborted'
    case 'killed':
      return 'was killed'
    case 'silent':
      return `was ended after ${failure.seconds} seconds, since the guest had stopped answering before`
  }
}

/** A command that failed, and its output. */
export interface FailedCommand {
  /** The name of the machine that it ran on. */
  readonly machine: string
  readonly command: string
  /** Null where the driver ended the command. */
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** The end of the machine's console. */
  readonly console: string
}

/** The limit for one stream in a message, in characters. The end of the stream is shown: it usually has the reason. */
const SHOWN = 4000

/** A command failed, or succeeded where it was to fail. The message has its output and the end of the console. */
export class CommandError extends Error implements FailedCommand {
  override readonly name = 'CommandError'
  readonly machine: string
  readonly command: string
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  readonly console: string

  /** @param what a predicate without its full stop, such as "exited with 3". */
  constructor(what: string, failed: FailedCommand, options?: ErrorOptions) {
    super(printable(message(what, failed)), options)
    this.machine = failed.machine
    this.command = failed.command
    this.exitCode = failed.exitCode
    this.signal = failed.signal
    this.stdout = failed.stdout
    this.stderr = failed.stderr
    this.console = failed.console
  }
}

function message(
  what: string,
  { machine, command, stdout, stderr, console }: FailedCommand,
): string {
  return [
    `${machine}: \`${command}\` ${what}.`,
    part('stdout', stdout),
    part('stderr', stderr),
    part('console', console),
  ]
    .filter((text) => text !== '')
    .join('\n')
}

function part(name: string, text: string): string {
  const trimmed = text.trimEnd()
  if (trimmed === '') return ''
  const shown = trimmed.length > SHOWN ? `…${trimmed.slice(-SHOWN)}` : trimmed
  return `--- ${name}\n${shown}`
}

/** The limits of a command. */
export interface CommandBounds {
  /** Seconds until the command and all its children are killed. */
  readonly timeout: number
  readonly signal: AbortSignal | undefined
  /** The limit of both streams together, in bytes; a command with more output is killed. */
  readonly maxOutput: number
  readonly encoding: 'utf8' | 'buffer'
  /** Says how long the guest may take to end the command. */
  readonly answering: Answering
}

/** What is called while a command runs. */
export interface CommandObserver {
  onOutput(piece: OutputPiece): void
  onEnd(how: Pick<CommandEnded, 'exitCode' | 'signal' | 'failure'>): void
  /** Makes the error for a command that the driver ended. @param unconfirmed as {@link failureText}. */
  failure(failure: CommandFailure, unconfirmed: number | undefined): Error
}

/** Calls the constructor of {@link Command}, which is private so that its types stay internal. */
let make: (guest: GuestCommand, bounds: CommandBounds, observer: CommandObserver) => Command

/** Follows a command that has been started in a guest. */
export function startCommand(
  guest: GuestCommand,
  bounds: CommandBounds,
  observer: CommandObserver,
): Command<string | Buffer> {
  return make(guest, bounds, observer)
}

/**
 * A command that runs in a guest: a promise of its result, and an async iterable of its output.
 *
 * ```ts
 * const { exitCode, stdout } = await vm.exec('make check')
 * for await (const { stream, data } of vm.exec('journalctl -f')) process[stream].write(data)
 * ```
 *
 * Leaving the loop kills the command and all its children.
 */
export class Command<Output extends string | Buffer = string>
  implements PromiseLike<ExecResult<Output>>, AsyncIterable<OutputPiece>
{
  readonly #guest: GuestCommand
  readonly #bounds: CommandBounds
  readonly #observer: CommandObserver
  readonly #pieces: CommandOutput
  readonly #result: Promise<ExecResult<Output>>
  #wake: (() => void)[] = []
  #over = false
  #endedFor: CommandFailure | undefined
  #unconfirmed: number | undefined
  /** Stops the timer of the grace period, once it runs. */
  #stopGrace: (() => void) | undefined

  static {
    make = (guest, bounds, observer) => new Command(guest, bounds, observer)
  }

  private constructor(guest: GuestCommand, bounds: CommandBounds, observer: CommandObserver) {
    this.#guest = guest
    this.#bounds = bounds
    this.#observer = observer
    this.#pieces = new CommandOutput(bounds.maxOutput)
    this.#result = this.#follow()
    // A test need not await a command. Its failure must not end the process as an unhandled rejection.
    this.#result.catch(() => {})
  }

  /**
   * Resolves with how the command ended, also when it exits with another code than 0.
   *
   * @throws CommandError when it takes longer than its timeout or writes more than `maxOutput`; the signal's reason when
   *   that is aborted; MachineError when the machine ends first. No process of the command runs on then, unless the message
   *   says that the guest has not confirmed it.
   */
  // oxlint-disable-next-line unicorn/no-thenable -- what `await vm.exec(…)` is about.
  then<A = ExecResult<Output>, B = never>(
    onResult?: ((result: ExecResult<Output>) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#result.then(onResult, onError)
  }

  /** The output as it arrives, from the command's start on. It ends with the command, and throws as {@link then}. */
  async *[Symbol.asyncIterator](): AsyncGenerator<OutputPiece, void> {
    try {
      for (const position = { run: 0, offset: 0 }; ;) {
        const piece = this.#pieces.next(position)
        if (piece !== undefined) {
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

  /** The lines of one stream as they arrive, without their line ends. Leaving the loop kills the command. */
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

  /** The standard output as a stream, from the command's start on. */
  get stdout(): Readable {
    return this.#stream('stdout')
  }

  /** The standard error as a stream, from the command's start on. */
  get stderr(): Readable {
    return this.#stream('stderr')
  }

  /**
   * Kills the command and all its children; its result is then that of SIGKILL. It is a CommandError instead when the guest
   * does not confirm the command's end.
   */
  kill(): void {
    if (this.#over) return
    this.#guest.kill()
    if (this.#stopGrace !== undefined) return
    const { answering } = this.#bounds
    const seconds = answering.isSilent ? 0 : answering.grace
    const mark = answering.asked()
    this.#stopGrace = after(seconds, () => {
      mark()
      this.#endedFor ??= { kind: 'killed' }
      this.#unconfirmed = seconds
      this.#guest.giveUp(this.#failure(this.#endedFor))
    })
  }

  #failure(failure: CommandFailure): Error {
    return this.#observer.failure(failure, this.#unconfirmed)
  }

  #stream(stream: OutputPiece['stream']): Readable {
    const pieces = (async function* (command: AsyncIterable<OutputPiece>) {
      for await (const piece of command) if (piece.stream === stream) yield piece.data
    })(this)
    return Readable.from(pieces, { objectMode: false })
  }

  async #follow(): Promise<ExecResult<Output>> {
    const { timeout, signal, answering } = this.#bounds
    const end = (failure: CommandFailure): void => {
      this.#endedFor ??= failure
      this.kill()
    }
    const abort = (): void => end({ kind: 'aborted', reason: signal?.reason })
    // A command may also wait in vain for the guest to be ready for it.
    const unheard = answering.asked()
    let isLong = false
    const stopTimers = [
      after(answering.grace, () => {
        isLong = true
      }),
      after(timeout, () => end({ kind: 'timeout', seconds: timeout })),
      answering.whileSilent((seconds) => end({ kind: 'silent', seconds })),
    ]
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
      if (this.#endedFor !== undefined) throw this.#failure(this.#endedFor)
      const [stdout, stderr] = [this.#output('stdout'), this.#output('stderr')]
      return { exitCode, signal: signalOf(exitCode), stdout, stderr }
    } finally {
      for (const stop of stopTimers) stop()
      this.#stopGrace?.()
      if (isLong && this.#endedFor !== undefined) unheard()
      signal?.removeEventListener('abort', abort)
      this.#over = true
      this.#observer.onEnd(this.#end(exitCode))
      this.#wakeAll()
    }
  }

  #end(exitCode: number | null): Parameters<CommandObserver['onEnd']>[0] {
    if (this.#endedFor !== undefined)
      return { exitCode: null, failure: failureText(this.#endedFor, this.#unconfirmed) }
    if (exitCode === null) return { exitCode, failure: 'the machine ended' }
    const signal = signalOf(exitCode)
    return signal === null ? { exitCode } : { exitCode, signal }
  }

  /** What the command has written to a stream so far, as text. */
  said(stream: OutputPiece['stream']): string {
    return this.#pieces.all(stream).toString()
  }

  #output(stream: OutputPiece['stream']): Output {
    const bytes = this.#pieces.all(stream)
    return (this.#bounds.encoding === 'utf8' ? bytes.toString() : bytes) as Output
  }

  #add(piece: OutputPiece, end: (failure: CommandFailure) => void): void {
    if (!this.#pieces.add(piece)) {
      end({ kind: 'output', bytes: this.#bounds.maxOutput })
      return
    }
    this.#observer.onOutput(piece)
    this.#wakeAll()
  }

  #wakeAll(): void {
    const waiting = this.#wake
    this.#wake = []
    for (const wake of waiting) wake()
  }
}

/** The signal that a shell's exit status stands for: 128 + n is signal n. Null for any other status. */
function signalOf(exitCode: number): NodeJS.Signals | null {
  for (const [name, number] of Object.entries(constants.signals)) {
    if (number === exitCode - 128) return name as NodeJS.Signals
  }
  return null
}
