import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Diod } from './diod.ts'

/** How long a server may take until it listens, and to end, in milliseconds. */
const PATIENCE_MS = 10_000

/** A server in a process of its own. */
export interface Server extends AsyncDisposable {
  readonly name: string
  readonly socket: string
  readonly pid: number
}

/** @param nodeOptions for its process: to profile it. */
export function startLowerdir(
  folder: string,
  socket: string,
  nodeOptions: readonly string[],
): Promise<Server> {
  const serve = fileURLToPath(new URL('./serve.js', import.meta.url))
  const child = fork(serve, [folder, socket], { execArgv: [...nodeOptions] })
  return listening('lowerdir', child, socket, () => child.disconnect())
}

/** diod with its own defaults, but without a look at who attaches. */
export function startDiod(
  { command, args }: Diod,
  folder: string,
  socket: string,
): Promise<Server> {
  const own = ['-f', '-n', '-N', '-c', '/dev/null', '-L', 'stderr', '-e', folder, '-l', socket]
  const child = spawn(command, [...args, ...own], {
    // Where it may leave what it leaves: it sometimes dumps its core at the end.
    cwd: dirname(socket),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  return listening('diod', child, socket, () => child.kill())
}

async function listening(
  name: string,
  child: ChildProcess,
  socket: string,
  stop: () => void,
): Promise<Server> {
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text))
  let failure: Error | undefined
  child.once('error', (error) => (failure = error))
  const ended = (): boolean => child.exitCode !== null || child.signalCode !== null

  for (const start = performance.now(); !existsSync(socket); await sleep(20)) {
    if (failure !== undefined) throw failure
    if (ended() || performance.now() - start > PATIENCE_MS) {
      child.kill('SIGKILL')
      throw new Error(`${name} does not listen on ${socket}. ${said}`)
    }
  }
  const dispose = async (): Promise<void> => {
    if (ended()) return
    const exit = once(child, 'exit')
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
    stop()
    await exit
    clearTimeout(timer)
  }
  return { name, socket, pid: child.pid!, [Symbol.asyncDispose]: dispose }
}
