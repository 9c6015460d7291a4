import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { writeInitramfs } from '../guest/initramfs.ts'
import { whenAborted } from '../util/promises.ts'
import { qemuArguments } from './arguments.ts'
import { FORGET_FILES } from '../guest/agent.ts'
import { clockScriptOnTheSecond } from '../guest/clock.ts'
import { Control } from './control/control.ts'
import { prepareDisks } from './disks.ts'
import { CONTROL_PORT, MSIZE, startExports } from './servers.ts'
import { shellWord } from '../util/shell.ts'
import { listenUnix } from './sockets.ts'
import type { MachineOptions } from './plan.ts'
import { QemuProcess } from './qemu-process.ts'
import type { Qmp } from './qmp.ts'
import type { Qemu } from '../provision/qemu.ts'
import type { Engine } from '../server/engine.ts'
import type { Resources } from './resources.ts'
import { RuntimeFolder } from './runtime-folder.ts'
import { INCOMING, loadMemory, openMemory } from './saved-memory.ts'
import type { Savable, Snapshot } from './snapshot.ts'
import { Watch } from './watch.ts'

/** What a booted machine consists of. */
export interface MachineParts {
  /** Where its sockets and its initramfs are. */
  readonly folder: string
  readonly control: Control
  readonly watch: Watch
  readonly qemu: QemuProcess
  /** QEMU's command line. */
  readonly command: readonly string[]
  /** QEMU's version. */
  readonly version: string
  /** The host's end of the guest's terminal. */
  readonly terminal: Promise<Socket> | undefined
  /** What of it can be saved. */
  savable(): Promise<Savable>
}

/**
 * Starts everything that a machine needs, and waits until its agent answers. What was started is
 * in `resources`, also when this fails.
 *
 * @param snapshot a machine to go on with, of the same options, instead of a boot.
 */
export async function bootMachine(
  options: MachineOptions,
  resources: Resources,
  snapshot?: Snapshot,
): Promise<MachineParts> {
  const folder = resources.use(RuntimeFolder.create())
  if (options.keep) folder.keep()

  const exported = await startExports(options, folder, resources, snapshot?.machine.servers)
  const control = new Control(snapshot?.machine.control)
  const controlSocket = folder.file('control.sock')
  await listenUnix(controlSocket, resources, (socket) => {
    void control.serve(socket, (line) => options.log(`control: ${line}`))
  })
  const terminal = options.terminal
    ? await listenOnce(folder, 'terminal.sock', resources)
    : undefined
  const monitor = await listenOnce(folder, 'monitor.sock', resources)

  const disks =
    snapshot === undefined
      ? await prepareDisks(options, folder)
      : { images: snapshot.disks, upper: null }
  const shares = exported.shares.map(({ mount, target }) => ({ ...mount, target }))
  const controlMount = {
    transport: 'tcp',
    port: CONTROL_PORT,
    readOnly: false,
    cache: 'none',
    msize: MSIZE,
    noXattrs: true,
  } as const
  const initrd = snapshot?.initramfs ?? folder.file('initramfs')
  const { kernel, busybox, hostname, init, userNetwork, networkCards } = options
  if (snapshot === undefined) {
    await writeInitramfs(initrd, {
      kernel,
      busybox,
      hostname,
      init,
      maskedUnits: options.maskedUnits,
      prepare: options.prepare,
      networkCards: networkCards.length + (userNetwork === null ? 0 : 1),
      userNetwork: userNetwork === null ? 'none' : userNetwork.restricted ? 'restricted' : 'open',
      root: exported.root.mount,
      shares,
      upper: disks.upper,
      disks: disks.images.length > 0,
      control: controlMount,
      terminal: options.terminal,
      first: options.initrd,
    })
  }

  options.onPhase('qemu')
  const args = qemuArguments({
    arch: process.arch === 'arm64' ? 'arm64' : 'x64',
    accelerator: options.accelerator,
    memoryMiB: options.memoryMiB,
    cpus: options.cpus,
    screen: options.screen,
    hostname,
    userNetwork,
    networkCards,
    disks: disks.images,
    kernel: kernel.image,
    initrd,
    append: options.append,
    further: [...options.qemuArguments, ...(snapshot === undefined ? [] : INCOMING)],
    exports: [{ socket: controlSocket, mount: controlMount }, exported.root, ...exported.shares],
    qmpSocket: monitor.socket,
    terminalSocket: terminal?.socket,
  })
  const command = [options.qemu.command, ...options.qemu.args, ...args]
  options.log(`QEMU: ${command.map(shellWord).join(' ')}`)
  options.signal.throwIfAborted()
  const qemu = await startQemu(options.qemu, args, snapshot)
  resources.defer(async () => {
    qemu.kill()
    await qemu.exited
  })
  folder.adopt(qemu.pid)

  const watch = new Watch(qemu, monitor.connected, options)
  const engines = exported.engines.map(({ engine }) => engine)
  const serving = Promise.all(engines.map((engine) => engine.serving))
  for (const { directories, engine } of exported.engines) void endWith(engine, directories, watch)
  void watch.ended.then((reason) => control.end(reason))
  const up = snapshot === undefined ? control.ready : goOn(snapshot, watch.qmp, control, engines)
  await Promise.race([Promise.all([up, serving]), whyNot(watch, options)])
  options.onPhase('ready')
  if (disks.upper !== null) resources.defer(() => writeBack(control))
  return {
    folder: folder.path,
    control,
    watch,
    qemu,
    command,
    version: options.qemu.version.text,
    terminal: terminal?.connected,
    savable: async () => ({
      options,
      control,
      engines,
      initramfs: initrd,
      disks: disks.images,
      qmp: await watch.qmp,
    }),
  }
}

async function startQemu(
  qemu: Qemu,
  args: readonly string[],
  snapshot: Snapshot | undefined,
): Promise<QemuProcess> {
  const memory = snapshot && (await openMemory(qemu.version, snapshot.memory))
  try {
    return await QemuProcess.start(qemu, args, memory?.fd)
  } finally {
    await memory?.close()
  }
}

/** A machine is no good without one of its servers. One that could not begin has said so. */
async function endWith(engine: Engine, directories: string, watch: Watch): Promise<void> {
  const hasBegun = await engine.serving.then(
    () => true,
    () => false,
  )
  if (!hasBegun) return
  await engine.ended.catch((error: unknown) =>
    watch.end(`The server of ${directories} failed: ${String(error)}.`),
  )
}

/**
 * Lets a machine that was saved run, and sets its clock, which has stood still since. Its servers say nothing before:
 * QEMU would take it for a machine that it has not loaded yet.
 */
async function goOn(
  snapshot: Snapshot,
  monitor: Promise<Qmp>,
  control: Control,
  engines: readonly Engine[],
): Promise<void> {
  const qmp = await monitor
  await loadMemory(qmp, snapshot.machine.options.qemu.version, snapshot.memory)
  await qmp.execute('cont')
  const clock = setClock(control)
  for (const server of [control, ...engines]) server.goOn()
  const lost = await Promise.all(engines.map((engine) => engine.resumed))
  // What nobody has open is then looked up anew, and found as it is now.
  if (lost.some((files) => files > 0)) control.send(FORGET_FILES)
  await clock
}

/** How soon after the first step, in milliseconds, a guest may have to take the second. Its first command comes first. */
const SECOND_STEP = 500

/** The guest's clock is the host's: to the second at once, and soon exactly. */
export async function setClock(control: Control): Promise<void> {
  const now = Date.now()
  const seconds = Math.floor(now / 1000)
  const next = Math.ceil((now + SECOND_STEP) / 1000)
  const exactly = (): void => control.send(clockScriptOnTheSecond(next))
  setTimeout(exactly, next * 1000 - now).unref()
  await control.setClock(seconds)
}

/** How long a guest may take to write everything to its disk, in milliseconds. */
const WRITE_BACK_TIMEOUT = 10_000

/** What a guest has written is to outlast it, also one that ends from one moment to the next. */
async function writeBack(control: Control): Promise<void> {
  const over = new AbortController()
  // One that is gone already has nothing left to write.
  const written = control.ask('sync').catch(() => {})
  await Promise.race([written, sleep(WRITE_BACK_TIMEOUT, undefined, { signal: over.signal })])
  over.abort()
}

/** Rejects with what keeps the guest from getting ready. */
async function whyNot(watch: Watch, { bootTimeout, signal }: MachineOptions): Promise<never> {
  const over = sleep(bootTimeout, undefined, { ref: false })
  const ended = await Promise.race([watch.ended, whenAborted(signal), over])
  signal.throwIfAborted()
  throw ended ?? watch.failure(`The guest was not ready after ${bootTimeout / 1000} seconds.`)
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
