import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import type { Qemu } from '../provision/qemu.ts'
import { boundCommand } from '../util/bound-command.ts'

/** How QEMU ended. */
export interface QemuExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** What it said on its standard error. */
  readonly complaint: string
}

/**
 * One QEMU. The kernel ends it when this process dies (bound-command.ts); where it cannot, the reaper does, or the next
 * run, see runtime-folder.ts.
 */
export class QemuProcess {
  readonly pid: number
  /** The guest's console. */
  readonly console: Readable
  /** What is typed on it. */
  readonly keyboard: Writable
  readonly exited: Promise<QemuExit>
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, console: Readable, keyboard: Writable) {
    this.#child = child
    // It has one: 'spawn' was seen.
    this.pid = child.pid ?? 0
    this.console = console
    this.keyboard = keyboard
    // Whoever types into a console that is gone learns of it from the machine's end.
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
   * @param input a descriptor that is its descriptor 3.
   * @throws what spawning throws, with the command's name in it.
   */
  static async start(qemu: Qemu, args: readonly string[], input?: number): Promise<QemuProcess> {
    const [command, rest] = boundCommand(qemu.command, [...qemu.args, ...args])
    // In a session of its own: Ctrl-C on our terminal is ours to handle.
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
