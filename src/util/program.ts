import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { isSystemError } from './error.ts'

/** How to run a program. */
export interface ProgramOptions {
  readonly cwd?: string
  /** Aborting it ends the program and its children. */
  readonly signal?: AbortSignal | undefined
  /** Called for each line that the program writes to descriptor 3, where apt and dpkg report progress. */
  readonly onStatusLine?: ((line: string) => void) | undefined
}

/** How a program ended, and what it wrote. */
export interface ProgramResult {
  /** The exit status; 128 + n if signal n ended it. */
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** How long a program may take to tidy up after SIGTERM before it gets SIGKILL, in milliseconds. */
const GRACE = 3000

/**
 * Runs a program of this machine to its end, without standard input and with messages in English.
 *
 * Rejects with the spawn error if there is no such program (`code` is ENOENT), and with the signal's
 * reason if aborted, not before the program and its children are gone.
 */
export function runProgram(
  program: string,
  args: readonly string[],
  { cwd, signal, onStatusLine }: ProgramOptions = {},
): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error)
      return
    }
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, LC_ALL: 'C', LANGUAGE: '' },
      stdio: ['ignore', 'pipe', 'pipe', onStatusLine ? 'pipe' : 'ignore'],
      // A process group of its own: Ctrl-C on the terminal reaches this process alone, and a kill of
      // the group reaches the program's children as well.
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
    const abort = (): void => {
      killGroup(child.pid, 'SIGTERM')
      killTimer = setTimeout(() => killGroup(child.pid, 'SIGKILL'), GRACE)
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

/** Sends a signal to a process group that this process has started, as far as any of it is left. */
export function killGroup(leader: number | undefined, signal: NodeJS.Signals): void {
  if (leader === undefined) return
  try {
    process.kill(-leader, signal)
  } catch (error) {
    // The group is gone, or what is left of it has changed its user.
    if (!isSystemError(error, 'ESRCH', 'EPERM')) throw error
  }
}

function signalNumber(name: NodeJS.Signals | null): number {
  return name === null ? 0 : constants.signals[name]
}

const SETPRIV = '/usr/bin/setpriv'

/**
 * The command line with which a program runs no longer than this process: the kernel kills the program when this
 * process dies, even by SIGKILL (PR_SET_PDEATHSIG of prctl(2), set by util-linux's setpriv). Where setpriv is
 * missing, it is the command line as it was given.
 */
export function boundCommand(
  command: string,
  args: readonly string[],
): [command: string, args: readonly string[]] {
  if (!existsSync(SETPRIV)) return [command, args]
  return [SETPRIV, ['--pdeathsig', 'KILL', '--', command, ...args]]
}
