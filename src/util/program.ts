import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import type { Readable } from 'node:stream'
import { createInterface } from 'node:readline'

/** How to run a command. */
export interface CommandOptions {
  readonly cwd?: string
  readonly signal?: AbortSignal | undefined
  /** Called for each line that the command writes to descriptor 3, where apt reports progress. */
  readonly onStatusLine?: ((line: string) => void) | undefined
}

/** How a command ended. */
export interface CommandResult {
  /** The exit status; 128 + n if signal n ended it. */
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** How long a command may take to tidy up after SIGTERM, in milliseconds. */
const GRACE = 3000

/**
 * Runs a command to its end with no standard input and with messages in English.
 *
 * Rejects with the spawn error if there is no such command (`code` is ENOENT), and with the signal's
 * reason if aborted, not before the command and its children are gone.
 */
export function runCommand(
  command: string,
  args: readonly string[],
  { cwd, signal, onStatusLine }: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error)
      return
    }
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, LC_ALL: 'C', LANGUAGE: '' },
      stdio: ['ignore', 'pipe', 'pipe', onStatusLine ? 'pipe' : 'ignore'],
      // A process group of its own: Ctrl-C on the terminal reaches us alone, and a kill reaches
      // everyone whom the command started.
      detached: true,
    })
    let stdout = ''
    let stderr = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    if (onStatusLine) {
      createInterface({ input: child.stdio[3] as Readable }).on('line', onStatusLine)
    }

    let killTimer: NodeJS.Timeout | undefined
    const kill = (name: NodeJS.Signals): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, name)
      } catch {
        // It has ended already.
      }
    }
    const abort = (): void => {
      kill('SIGTERM')
      killTimer = setTimeout(() => kill('SIGKILL'), GRACE)
    }
    const settle = (): void => {
      clearTimeout(killTimer)
      signal?.removeEventListener('abort', abort)
    }
    signal?.addEventListener('abort', abort, { once: true })
    child.once('error', (error) => {
      settle()
      reject(error)
    })
    child.once('close', (code, signalName) => {
      settle()
      if (signal?.aborted) reject(signal.reason as Error)
      else resolve({ status: code ?? 128 + signalNumber(signalName), stdout, stderr })
    })
  })
}

function signalNumber(name: NodeJS.Signals | null): number {
  return name === null ? 0 : constants.signals[name]
}
