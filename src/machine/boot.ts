import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { PHASE, type GuestPhase } from '../guest/init.ts'
import { writeInitramfs } from '../guest/initramfs.ts'
import { serveDuplex } from '../transport/stream/duplex.ts'
import { qemuArguments } from './arguments.ts'
import { Console } from './console.ts'
import { Control } from './control.ts'
import { CONTROL_PORT, MSIZE, startExports } from './exports.ts'
import { MachineError, reasonIn, reasonOf } from './failure.ts'
import { listenUnix } from './listen.ts'
import type { MachineOptions } from './options.ts'
import { QemuProcess } from './qemu-process.ts'
import { Qmp } from './qmp.ts'
import type { Resources } from './resources.ts'
import { RuntimeFolder } from './runtime-folder.ts'

/** What a booted machine consists of. */
export interface MachineParts {
  /** Where its sockets and its initramfs are. */
  readonly folder: string
  readonly control: Control
  readonly qemu: QemuProcess
  /** Resolves when the machine is over, with the reason. */
  readonly ended: Promise<MachineError>
  /** The host's end of the guest's terminal. */
  readonly terminal: Promise<Socket> | undefined
}

/** How long QEMU may take to end after the kernel has panicked, in milliseconds. */
const PANIC_TIMEOUT = 1000

const CONSOLE_LINES = 30

/**
 * Starts everything that a machine needs, and waits until its agent answers. What was started is
 * in `resources`, also when this fails.
 */
export async function bootMachine(
  options: MachineOptions,
  resources: Resources,
): Promise<MachineParts> {
  const folder = resources.use(RuntimeFolder.create())
  if (options.keep) folder.keep()

  const exported = await startExports(options, folder, resources)
  const control = new Control()
  const controlSocket = folder.file('control.sock')
  await listenUnix(controlSocket, resources, (socket) => {
    void serveDuplex(control.tree, socket, (line) => options.log(`control: ${line}`))
  })
  const terminal = options.terminal
    ? await listenOnce(folder, 'terminal.sock', resources)
    : undefined
  const monitor = await listenOnce(folder, 'monitor.sock', resources)

  const shares = exported.shares.map(({ mount, target }) => ({ ...mount, target }))
  const controlMount = { port: CONTROL_PORT, readOnly: false, cache: 'none', msize: MSIZE } as const
  const initrd = folder.file('initramfs')
  const { kernel, busybox, hostname } = options
  await writeInitramfs(initrd, {
    kernel,
    busybox,
    hostname,
    root: exported.root.mount,
    shares,
    control: controlMount,
    terminal: options.terminal,
  })

  options.onPhase('qemu')
  const args = qemuArguments({
    arch: process.arch === 'arm64' ? 'arm64' : 'x64',
    accelerator: options.accelerator,
    memoryMiB: options.memoryMiB,
    cpus: options.cpus,
    kernel: kernel.image,
    initrd,
    append: options.append,
    exports: [
      { socket: controlSocket, port: controlMount.port },
      ...[exported.root, ...exported.shares].map(({ socket, mount }) => ({
        socket,
        port: mount.port,
      })),
    ],
    qmpSocket: monitor.socket,
    terminalSocket: terminal?.socket,
  })
  options.log(`QEMU: ${[options.qemu.command, ...options.qemu.args, ...args].join(' ')}`)
  options.signal.throwIfAborted()
  const qemu = await QemuProcess.start(options.qemu, args)
  resources.defer(async () => {
    qemu.kill()
    await qemu.exited
  })
  folder.adopt(qemu.pid)

  let shutdownReason = ''
  const listenToQemu = async (): Promise<void> => {
    const qmp = new Qmp(await monitor.connected)
    qmp.on('event', ({ event, data }) => {
      if (event === 'SHUTDOWN') shutdownReason = String(data?.['reason'])
    })
    await qmp.negotiate()
  }
  // A QEMU that ends meanwhile is reported by `ended`.
  listenToQemu().catch(() => {})
  const ended = watch(qemu, options, () => shutdownReason)
  void ended.then((reason) => control.end(reason))
  await Promise.race([
    control.ready,
    ended.then((reason) => {
      throw reason
    }),
    timeout(options.bootTimeout, ended),
    aborted(options.signal),
  ])
  options.onPhase('ready')
  return { folder: folder.path, control, qemu, ended, terminal: terminal?.connected }
}

/** Follows the console and the process, and resolves with the reason once the machine is over. */
function watch(
  qemu: QemuProcess,
  { onPhase, onConsoleLine }: MachineOptions,
  shutdownReason: () => string,
): Promise<MachineError> {
  let reason: string | undefined
  const console = new Console(qemu.console, (line) => {
    onConsoleLine(line)
    const phase = line.indexOf(PHASE)
    if (phase >= 0) onPhase(line.slice(phase + PHASE.length) as GuestPhase)
    if (reason !== undefined) return
    reason = reasonIn(line)
    // A kernel may have been told to stay after a panic; nobody else is to wait for it.
    if (reason !== undefined) setTimeout(() => qemu.kill(), PANIC_TIMEOUT).unref()
  })
  return qemu.exited.then(
    (exit) =>
      new MachineError(reason ?? reasonOf(exit, shutdownReason()), console.tail(CONSOLE_LINES)),
  )
}

async function timeout(milliseconds: number, ended: Promise<MachineError>): Promise<never> {
  await Promise.race([sleep(milliseconds, undefined, { ref: false }), ended])
  throw new MachineError(`The guest was not ready after ${milliseconds / 1000} seconds.`, '')
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = (): void => reject(signal.reason as Error)
    if (signal.aborted) fail()
    else signal.addEventListener('abort', fail, { once: true })
  })
}

/** A socket for QEMU to connect to, once. */
async function listenOnce(
  folder: RuntimeFolder,
  name: string,
  resources: Resources,
): Promise<{ readonly socket: string; readonly connected: Promise<Socket> }> {
  const socket = folder.file(name)
  let connect!: (stream: Socket) => void
  const connected = new Promise<Socket>((resolve) => {
    connect = resolve
  })
  await listenUnix(socket, resources, connect)
  return { socket, connected }
}
