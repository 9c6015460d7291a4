import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import type { Qemu } from '../provision/qemu.ts'
import { boundCommand } from '../util/program.ts'

/** How QEMU ended. */
export interface QemuExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The end of its standard error. */
  readonly complaint: string
}

/**
 * One QEMU. The kernel kills it when this process dies (boundCommand). Without setpriv the reaper does that (reaper.ts), or
 * the next process that makes a runtime folder.
 */
export class QemuProcess {
  readonly pid: number
  /** The guest's console. */
  readonly console: Readable
  /** The console's input. */
  readonly keyboard: Writable
  readonly exited: Promise<QemuExit>
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, console: Readable, keyboard: Writable) {
    this.#child = child
    // A child that has emitted 'spawn' has a pid.
    this.pid = child.pid ?? 0
    this.console = console
    this.keyboard = keyboard
    // Writing to a console that is gone fails with EPIPE; the machine's end reports that.
    keyboard.on('error', () => {})
    let complaint = ''
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      complaint = (complaint + chunk).slice(-4096)
    })
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        resolve({ code, signal, complaint: complaint.trim() })
      })
    })
  }

  /**
   * @param input a descriptor that QEMU gets as its descriptor 3.
   * @throws spawn's error, with the command's name in it.
   */
  static async start(qemu: Qemu, args: readonly string[], input?: number): Promise<QemuProcess> {
    const [command, rest] = boundCommand(qemu.command, [...qemu.args, ...args])
    // In a session of its own: Ctrl-C on our terminal must reach this process alone.
    const child = spawn(command, rest, {
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe', ...(input === undefined ? [] : [input])],
    })
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', reject)
    })
    const { stdin, stdout } = child
    if (stdin === null || stdout === null) throw new Error('QEMU was started without its console')
    return new QemuProcess(child, stdout, stdin)
  }

  /** Ends it at once. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }
}
