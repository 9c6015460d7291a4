import { stripVTControlCharacters } from 'node:util'
import type { GuestInit } from '../guest/init.ts'
import type { Accelerator } from '../machine/accelerator.ts'
import type { QemuMachine } from '../machine/qemu-machine.ts'
import type { Artifacts } from '../record/artifacts.ts'
import type { Recorder } from '../record/recorder.ts'
import { Always } from './always.ts'
import { Answering } from './answering.ts'
import {
  type Command,
  CommandError,
  type CommandFailure,
  type ExecResult,
  failureText,
  startCommand,
} from './command.ts'
import { type ExecOptions, commandText, execScript, inputStream } from './exec.ts'
import type { Guest } from './guest.ts'
import { Screen } from './screen.ts'
import { checkSeconds } from './waits/after.ts'
import { answered } from './waits/answered.ts'
import { type WaitOptions, anySignal, defaultTimeout, failure } from './waits/wait.ts'
import { messageOf } from '../util/error.ts'
import { printable } from '../util/printable.ts'

/** The default limit of a command's output, in bytes. */
const MAX_OUTPUT = 64 << 20

/** How long a guest that runs with KVM may take to confirm the end of a command, in seconds. */
const GRACE = 5

/** How many lines of the console explain a failure. */
const CONSOLE_LINES = 30

/** What a machine is made of. */
export interface MachineParts {
  readonly name: string
  readonly qemu: QemuMachine
  readonly init: GuestInit
  readonly accelerator: Accelerator
  readonly recorder: Recorder
  /** The folder for screenshots, the journal and the like; undefined where none is kept. */
  readonly artifacts: Artifacts | undefined
  /** Variables of the environment of all commands. */
  readonly env: Readonly<Record<string, string>>
  /** The machine's cables in its network; undefined outside of a network. */
  readonly cables: { block(): void; unblock(): void } | undefined
  /** Owns all of the above. */
  readonly resources: AsyncDisposable
}

/** A guest that runs: what all parts of the driver share, and the state of one machine under test. */
export class RunningGuest implements Guest, AsyncDisposable {
  readonly parts: MachineParts
  readonly screen: Screen
  readonly answering: Answering
  /** Whether QEMU's monitor answers. */
  readonly #monitor: Answering
  #monitorHeard = 0
  #upset = new AbortController()
  #isUp = true

  constructor(parts: MachineParts) {
    this.parts = parts
    this.screen = new Screen(this, parts.artifacts)
    const grace = defaultTimeout(parts.accelerator, GRACE)
    this.answering = new Answering({
      grace,
      heard: () => this.qemu.heard,
      onSilent: () => this.#noteSilence('the guest'),
    })
    this.#monitor = new Answering({
      grace,
      heard: () => this.#monitorHeard,
      onSilent: () => this.#noteSilence('QEMU'),
    })
    void this.#followEnd()
  }

  get name(): string {
    return this.parts.name
  }

  get init(): GuestInit {
    return this.parts.init
  }

  get accelerator(): Accelerator {
    return this.parts.accelerator
  }

  get qemu(): QemuMachine {
    return this.parts.qemu
  }

  get recorder(): Recorder {
    return this.parts.recorder
  }

  get ended(): Promise<Error> {
    return this.qemu.ended
  }

  get isUp(): boolean {
    return this.#isUp
  }

  /** Whether neither the guest nor QEMU has left a request unanswered that it was to answer at once. */
  get isAnswering(): boolean {
    return !this.answering.isSilent && !this.#monitor.isSilent
  }

  /** The absolute path of the folder of artifacts, if there is one. */
  get artifacts(): string | undefined {
    return this.parts.artifacts?.path
  }

  get defaultTimeout(): number {
    return defaultTimeout(this.accelerator)
  }

  get upset(): AbortSignal {
    return this.#upset.signal
  }

  consoleTail(): string {
    return printable(stripVTControlCharacters(this.qemu.console.tail(CONSOLE_LINES)))
  }

  /** As {@link Machine.exec}. */
  exec(
    command: string | readonly string[],
    options: ExecOptions & { readonly encoding: 'buffer' },
  ): Command<Buffer>
  exec(command: string | readonly string[], options?: ExecOptions): Command
  exec(command: string | readonly string[], options: ExecOptions = {}): Command<string | Buffer> {
    const { stdin, signal, timeout = this.defaultTimeout } = options
    checkSeconds(timeout)
    const { qemu, recorder, env } = this.parts
    const script = execScript(command, { ...options, env: { ...env, ...options.env } })
    const guest = qemu.runScript(script, inputStream(stdin))
    const text = commandText(command)
    const { user, cwd } = options
    const record =
      options.quiet === true
        ? undefined
        : recorder.command({
            text,
            ...(user === undefined ? {} : { user }),
            ...(cwd === undefined ? {} : { cwd }),
          })
    const bounds = {
      timeout,
      signal: anySignal(signal, this.upset),
      maxOutput: options.maxOutput ?? MAX_OUTPUT,
      encoding: options.encoding ?? 'utf8',
      answering: this.answering,
    } as const
    const running: Command<string | Buffer> = startCommand(guest, bounds, {
      onOutput: ({ stream, data }) => record?.output(stream, data),
      onEnd: (how) => record?.end(how),
      failure: (...why) => this.#commandFailure(text, running, ...why),
    })
    return running
  }

  /** As {@link Machine.succeed}. */
  async succeed(command: string | readonly string[], options: ExecOptions = {}): Promise<string> {
    const result = await this.exec(command, { ...options, encoding: 'utf8' })
    if (result.exitCode !== 0) throw this.#unexpected(command, result, endOf(result))
    return result.stdout
  }

  /** As {@link Machine.fail}. */
  async fail(command: string | readonly string[], options: ExecOptions = {}): Promise<string> {
    const result = await this.exec(command, { ...options, encoding: 'utf8' })
    if (result.exitCode === 0) throw this.#unexpected(command, result, 'was to fail, and succeeded')
    return result.stdout
  }

  /** As {@link Machine.qmp}. */
  async qmp(
    command: string,
    parameters: Readonly<Record<string, unknown>> = {},
    options: WaitOptions = {},
  ): Promise<unknown> {
    const mark = this.#monitor.asked()
    const what = `QEMU's answer to ${command}`
    try {
      return await answered(this, this.#monitor, what, options, async () => {
        const qmp = await this.qemu.qmp
        // An answer that comes after the end of the wait counts as a sign of life.
        return qmp.execute(command, parameters).finally(() => this.#monitorHeard++)
      })
    } catch (error) {
      setTimeout(() => this.isUp && mark(), this.#monitor.grace * 1000).unref()
      throw error
    }
  }

  async hmp(commandLine: string, options?: WaitOptions): Promise<string> {
    const parameters = { 'command-line': commandLine }
    return String(await this.qmp('human-monitor-command', parameters, options))
  }

  /** As {@link Machine.always}. @param interval seconds. */
  always(what: string, check: () => unknown, interval: number): AsyncDisposable {
    return new Always(check, interval, (error) => {
      // Lines after the first, such as those of the console, are in the cause.
      const [why = ''] = messageOf(error).split('\n', 1)
      this.#upset.abort(failure(this, `always: ${what}`, why, { cause: error }))
    })
  }

  /**
   * Forgets that a condition of {@link always} did not hold, so that waits and commands work again. The test has failed
   * by then, and its machine is asked for its journal and its screen.
   */
  calm(): void {
    this.#upset = new AbortController()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.parts.resources[Symbol.asyncDispose]()
  }

  #noteSilence(who: string): void {
    this.recorder.event({ kind: 'note', text: `${who} does not answer any more` })
  }

  async #followEnd(): Promise<void> {
    await this.ended
    this.#isUp = false
  }

  #unexpected(command: string | readonly string[], result: ExecResult, what: string): CommandError {
    return new CommandError(what, {
      machine: this.name,
      command: commandText(command),
      ...result,
      console: this.consoleTail(),
    })
  }

  #commandFailure(
    command: string,
    running: Command<string | Buffer>,
    why: CommandFailure,
    unconfirmed?: number,
  ): Error {
    if (why.kind === 'aborted') return why.reason as Error
    return new CommandError(failureText(why, unconfirmed), {
      machine: this.name,
      command,
      exitCode: null,
      signal: null,
      stdout: running.said('stdout'),
      stderr: running.said('stderr'),
      console: this.consoleTail(),
    })
  }
}

function endOf({ exitCode, signal }: ExecResult): string {
  return signal === null ? `exited with ${exitCode}` : `was ended by ${signal}`
}
