import type { Duplex, Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type CommandLine,
  type TerminalSize,
  commandScript,
  terminalScript,
} from '../guest/agent.ts'
import { type MachineParts, bootMachine } from './boot.ts'
import type { Console } from './console.ts'
import type { GuestCommand } from './control/control.ts'
import { MachineError } from './failure.ts'
import type { MachineHooks } from './hooks.ts'
import type { MachinePlan } from './plan.ts'
import type { Qmp } from './qmp.ts'
import { Resources } from './resources.ts'
import { setRightNow, setRightSoon } from './right-clock.ts'
import { type Snapshot, saveMachine } from './snapshot.ts'

/** How long a guest may take to power off, in milliseconds. */
const POWEROFF_TIMEOUT = 10_000

/** The guest's terminal, as the agent knows it. */
const TERMINAL = '/dev/hvc0'

/** A command for the guest. */
export interface CommandOptions {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly stdin: Readable | null
}

/** One guest: its QEMU, the servers of its files, and the channel over which it is told what to do. */
export class QemuMachine implements AsyncDisposable {
  readonly #resources: Resources
  readonly #parts: MachineParts

  private constructor(resources: Resources, parts: MachineParts) {
    this.#resources = resources
    this.#parts = parts
  }

  /**
   * Boots a guest and resolves once it is ready for commands.
   *
   * @throws MachineError when the guest or QEMU ends before that, with the end of the console;
   *   ErrnoError when a directory cannot be served. Nothing is left behind then.
   */
  static async boot(plan: MachinePlan, hooks: MachineHooks): Promise<QemuMachine> {
    return QemuMachine.#start(plan, hooks)
  }

  /**
   * Starts a machine that goes on from a snapshot, and resolves once it is ready for commands. Any number of machines may go
   * on from one snapshot. Commands that ran when it was made go on running, and their output is dropped.
   *
   * @param changes to the plan. What the guest can see must stay as it was.
   * @throws as {@link boot}.
   */
  static async restore(
    snapshot: Snapshot,
    hooks: MachineHooks,
    changes: Partial<MachinePlan> = {},
  ): Promise<QemuMachine> {
    return QemuMachine.#start({ ...snapshot.machine.plan, ...changes }, hooks, snapshot)
  }

  static async #start(
    plan: MachinePlan,
    hooks: MachineHooks,
    snapshot?: Snapshot,
  ): Promise<QemuMachine> {
    const resources = new Resources()
    try {
      return new QemuMachine(resources, await bootMachine(plan, hooks, resources, snapshot))
    } catch (error) {
      await resources[Symbol.asyncDispose]()
      throw error
    }
  }

  /**
   * Writes the machine to a folder, from which others can go on ({@link restore}). The guest is stopped meanwhile; then it
   * goes on, and its clock is set.
   *
   * @throws Error with the reason when the machine cannot be saved.
   */
  async save(folder: string): Promise<Snapshot> {
    const { control, watch, log } = this.#parts
    const saving = saveMachine(await this.#parts.savable(), folder)
    const snapshot = await Promise.race([saving, rejected(watch.ended)])
    await Promise.race([control.clock.set(Date.now()), rejected(watch.ended)])
    setRightSoon(control, log)
    return snapshot
  }

  /**
   * Sets the guest's clock to the host's, and resolves when it is within 50 milliseconds of it.
   *
   * @throws MachineError when that is not possible, with the reason; {@link ended}'s when the machine ends first.
   */
  async setClock(): Promise<void> {
    const { control, watch } = this.#parts
    await Promise.race([setRightNow(control, watch), rejected(watch.ended)])
  }

  /** Where its sockets and its initramfs are. */
  get folder(): string {
    return this.#parts.folder
  }

  /** Resolves when the machine is over, with the reason. */
  get ended(): Promise<MachineError> {
    return this.#parts.watch.ended
  }

  /** What its kernel and its init have printed. */
  get console(): Console {
    return this.#parts.watch.console
  }

  /** The input of its serial console. */
  get keyboard(): Writable {
    return this.#parts.qemu.keyboard
  }

  /** QEMU's monitor. Rejects when QEMU ends before it connects. */
  get qmp(): Promise<Qmp> {
    return this.#parts.watch.qmp
  }

  /** QEMU's command line. */
  get command(): readonly string[] {
    return this.#parts.command
  }

  /** QEMU's version: "7.2.22". */
  get version(): string {
    return this.#parts.version
  }

  /** Starts a script in a shell of the guest, with streams of its own. */
  runScript(script: string, stdin: Readable | null): GuestCommand {
    return this.#parts.control.run(script, stdin)
  }

  /** Makes the guest's agent run a script, outside of the root. The agent waits for its end: a long one starts in the background. */
  tellAgent(script: string): void {
    this.#parts.control.send(script)
  }

  /**
   * Makes the guest's agent run a script in the background, outside of the root, and resolves with the script's output.
   *
   * @param signal aborting it gives the answer up.
   * @throws Error when it fails; the signal's reason; {@link ended}'s when the machine ends first.
   */
  askAgent(script: string, signal?: AbortSignal): Promise<Buffer> {
    return this.#parts.control.ask(script, signal)
  }

  /** How often the guest has been heard: see {@link Control.heard}. */
  get heard(): number {
    return this.#parts.control.heard
  }

  /** Ends it at once, for a reason that {@link ended} then gives. */
  end(reason: string): void {
    this.#parts.watch.end(reason)
  }

  /** Starts a command, with streams of its own. */
  run({ stdin, ...line }: CommandOptions): GuestCommand {
    return this.runScript(commandScript(line), stdin)
  }

  /**
   * Starts a command on the guest's terminal and resolves with its exit status.
   *
   * @param size of the terminal in characters; {@link resizeTerminal} changes it.
   * @param join gets the host's end of the terminal: bytes in both directions.
   * @throws Error when the machine was booted without one.
   */
  async runOnTerminal(
    line: CommandLine,
    size: TerminalSize,
    join: (terminal: Duplex) => void,
  ): Promise<number> {
    const { control, terminal } = this.#parts
    if (terminal === undefined) throw new Error('The machine was booted without a terminal.')
    join(await terminal)
    return control.run(terminalScript(line, TERMINAL, size), null).exitStatus
  }

  /** Tells the guest how large its terminal is. */
  resizeTerminal({ rows, columns }: TerminalSize): void {
    this.#parts.control.send(`stty rows ${rows} cols ${columns} <${TERMINAL}\n`)
  }

  /**
   * Reboots the guest, and starts the control channel anew. Without this, QEMU ends when the guest reboots.
   *
   * @param reboot makes the guest reboot.
   * @param ready resolves when the guest is up again. Until then QEMU may see several resets: the kernel tries several ways
   *   to reset the machine, and the first of them takes a moment.
   */
  async reboot(reboot: () => void, ready: () => Promise<void>): Promise<void> {
    const qmp = await this.qmp
    await qmp.execute('set-action', { reboot: 'reset' })
    const reset = qmp.next(({ event, data }) => event === 'RESET' && data?.['guest'] === true)
    reboot()
    await Promise.race([reset, this.ended])
    this.#parts.control.restart(new MachineError('The guest rebooted.', ''))
    await ready()
    await qmp.execute('set-action', { reboot: 'shutdown' })
  }

  /** Writes everything back and powers the guest off. A guest that takes more than 10 seconds goes on until disposal. */
  async powerOff(): Promise<void> {
    this.#parts.control.send('exit\n')
    await Promise.race([this.ended, sleep(POWEROFF_TIMEOUT, undefined, { ref: false })])
  }

  /** Ends the guest at once, and closes all that belongs to it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]()
  }
}

async function rejected(reason: Promise<Error>): Promise<never> {
  throw await reason
}
