import type { Socket } from 'node:net'
import { PHASE, type GuestPhase } from '../guest/init.ts'
import { Console } from './console.ts'
import { MachineError, reasonIn, reasonOf } from './failure.ts'
import type { MachineHooks } from './hooks.ts'
import type { QemuProcess } from './qemu-process.ts'
import { Qmp } from './qmp.ts'

/** How long a kernel that panicked may take to end QEMU, in milliseconds. */
const PANIC_TIMEOUT = 1000

/** How many lines of the console an error carries: a panic with its trace. */
const CONSOLE_LINES = 60

/** The end of a machine whose owner has let go of it. */
const DONE = 'lowerdir ended the machine, which was no longer needed.'

/** Follows a machine's console, monitor and process, and finds the reason of its end. */
export class Watch implements AsyncDisposable {
  /** Resolves when QEMU is gone, with the reason. */
  readonly ended: Promise<MachineError>
  readonly console: Console
  /** The monitor, once QEMU has connected it. */
  readonly qmp: Promise<Qmp>
  readonly #qemu: QemuProcess
  #reason: string | undefined
  /** The reason that the monitor gave for a shutdown. */
  #shutdown = ''

  /** @param monitor the connection of QEMU's monitor. It stays pending where QEMU ends before it connects. */
  constructor(
    qemu: QemuProcess,
    monitor: Promise<Socket>,
    { onPhase, onConsoleLine }: Pick<MachineHooks, 'onPhase' | 'onConsoleLine'>,
  ) {
    this.#qemu = qemu
    this.console = new Console(qemu.console, (line) => {
      onConsoleLine(line)
      const phase = line.indexOf(PHASE)
      if (phase >= 0) onPhase(line.slice(phase + PHASE.length) as GuestPhase)
      if (this.#reason !== undefined) return
      this.#reason = reasonIn(line)
      // The user's kernel arguments may keep a kernel that has panicked running.
      if (this.#reason !== undefined) setTimeout(() => qemu.kill(), PANIC_TIMEOUT).unref()
    })
    this.qmp = this.#listen(monitor)
    // Callers that await the monitor get the error; without any, it is not an unhandled rejection.
    this.qmp.catch(() => {})
    this.ended = qemu.exited.then((exit) => this.failure(reasonOf(exit, this.#shutdown)))
  }

  async #listen(monitor: Promise<Socket>): Promise<Qmp> {
    const qmp = new Qmp(await monitor)
    qmp.on('event', ({ event, data }) => {
      if (event === 'SHUTDOWN') this.#shutdown = String(data?.['reason'])
    })
    await qmp.negotiate()
    return qmp
  }

  /** Ends the machine for a reason of the host's. */
  end(reason: string): void {
    this.#reason ??= reason
    this.#qemu.kill()
  }

  /** Ends the machine, if it has not ended, and resolves when QEMU is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.end(DONE)
    await this.#qemu.exited
  }

  /** The error for a machine that has ended or is of no use. A reason that the guest gave takes precedence over `reason`. */
  failure(reason: string): MachineError {
    return new MachineError(this.#reason ?? reason, this.console.tail(CONSOLE_LINES))
  }
}
