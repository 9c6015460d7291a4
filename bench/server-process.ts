import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { servingProcesses } from './serving-processes.ts'

/** How long a server may take to start listening, and to end, in milliseconds. */
const TIMEOUT_MS = 10_000

const POLL_MS = 20

/** A server in a process of its own; disposing of it ends the process. */
export interface ServerProcess extends AsyncDisposable {
  /** The process that serves. */
  readonly pid: number
}

/** Waits for the process that serves, which lowerdir's program starts when it listens. The rest is the program's. */
export async function servedBy(program: ServerProcess): Promise<ServerProcess> {
  for (const start = performance.now(); ; await sleep(POLL_MS)) {
    const [pid] = servingProcesses(program.pid)
    if (pid !== undefined) return { ...program, pid }
    if (performance.now() - start > TIMEOUT_MS) {
      await program[Symbol.asyncDispose]()
      throw new Error(`process ${program.pid} has started no server`)
    }
  }
}

/**
 * Waits until a server that was just started listens on its unix socket.
 *
 * @param stop asks it to end; one that takes too long is killed.
 * @throws Error with what it wrote to standard error, when it ends or takes too long.
 */
export async function listening(
  name: string,
  child: ChildProcess,
  socket: string,
  stop: () => void,
): Promise<ServerProcess> {
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text))
  let failure: Error | undefined
  child.once('error', (error) => (failure = error))
  const ended = (): boolean => child.exitCode !== null || child.signalCode !== null

  for (const start = performance.now(); !existsSync(socket); await sleep(POLL_MS)) {
    if (failure !== undefined) throw failure
    if (ended() || performance.now() - start > TIMEOUT_MS) {
      child.kill('SIGKILL')
      throw new Error(`${name} does not listen on ${socket}. ${said}`)
    }
  }
  const dispose = async (): Promise<void> => {
    if (ended()) return
    const exit = once(child, 'exit')
    const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS)
    stop()
    await exit
    clearTimeout(timer)
  }
  return { pid: child.pid!, [Symbol.asyncDispose]: dispose }
}
