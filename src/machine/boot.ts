import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { FORGET_FILES } from '../guest/agent.ts'
import { writeInitramfs } from '../guest/initramfs.ts'
import type { Qemu } from '../provision/qemu.ts'
import type { Engine } from '../server/engine.ts'
import { messageOf } from '../util/error.ts'
import { whenAborted } from '../util/promises.ts'
import { shellCommand } from '../util/shell.ts'
import { qemuArguments } from './arguments.ts'
import { Control } from './control/control.ts'
import { prepareDisks } from './disks.ts'
import { planExports } from './exports.ts'
import type { MachineHooks } from './hooks.ts'
import { initDevices, machineParts } from './parts.ts'
import type { MachinePlan } from './plan.ts'
import { setRightSoon } from './right-clock.ts'
import { QemuProcess } from './qemu-process.ts'
import type { Qmp } from './qmp.ts'
import { takeUpperDirectory } from './upper-directory.ts'
import type { Resources } from './resources.ts'
import { RuntimeFolder } from './runtime-folder.ts'
import { INCOMING, loadMemory, openMemory } from './saved-memory.ts'
import { startServers } from './servers.ts'
import type { Savable, Snapshot } from './snapshot.ts'
import { listenOnce } from './sockets.ts'
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
  readonly log: (line: string) => void
  /** What of it can be saved. */
  savable(): Promise<Savable>
}

/**
 * Starts what a plan needs, and waits until the guest's agent answers. What was started is in `resources`, also when this
 * fails.
 *
 * @param snapshot a machine of the same plan, to go on from instead of a boot.
 */
export async function bootMachine(
  plan: MachinePlan,
  hooks: MachineHooks,
  resources: Resources,
  snapshot?: Snapshot,
): Promise<MachineParts> {
  const { log, signal } = hooks
  const folder = resources.use(RuntimeFolder.create())
  if (hooks.keep) folder.keep()

  if (plan.upper !== null && 'directory' in plan.upper) {
    takeUpperDirectory(plan.upper.directory, resources)
  }
  const control = new Control(snapshot?.machine.control)
  const exports = planExports(plan, (name) => folder.file(name))
  const saved = snapshot?.machine.servers ?? []
  const engines = await startServers(
    exports,
    { control, sandbox: plan.sandbox, saved, log },
    resources,
  )
  const terminal = plan.terminal ? await listenOnce(folder, 'terminal.sock', resources) : undefined
  const monitor = await listenOnce(folder, 'monitor.sock', resources)
  const disks =
    snapshot === undefined
      ? await prepareDisks(plan, folder)
      : { images: snapshot.disks, upper: null }

  const parts = machineParts(plan, {
    exports,
    monitor: monitor.socket,
    terminal: terminal?.socket,
    disks: disks.images,
    upper: disks.upper,
  })
  const initramfs = snapshot?.initramfs ?? folder.file('initramfs')
  if (snapshot === undefined) {
    await writeInitramfs(initramfs, {
      ...initDevices(parts),
      kernel: plan.kernel,
      busybox: plan.busybox,
      modules: parts.flatMap(({ modules = [] }) => modules),
      hostname: plan.hostname,
      init: plan.init,
      maskedUnits: plan.maskedUnits,
      prepare: plan.prepare,
      first: plan.initrd,
    })
  }

  hooks.onPhase('qemu')
  const incoming = snapshot === undefined ? [] : INCOMING
  const args = [...qemuArguments(plan, parts, initramfs), ...incoming]
  const command = [plan.qemu.command, ...plan.qemu.args, ...args]
  log(`QEMU: ${shellCommand(command)}`)
  signal.throwIfAborted()
  const qemu = await startQemu(plan.qemu, args, snapshot)
  const watch = resources.use(new Watch(qemu, monitor.connected, hooks))
  folder.adopt(qemu.pid)
  endWhenAborted(watch, signal)

  const serving = Promise.all(engines.map((engine) => engine.serving))
  for (const engine of engines) void endWith(engine, watch)
  void watch.ended.then((reason) => control.end(reason))
  const up =
    snapshot === undefined ? control.ready : goOn(snapshot, watch.qmp, control, engines, log)
  await Promise.race([Promise.all([up, serving]), whyNot(watch, hooks)])
  hooks.onPhase('ready')
  if (disks.upper !== null) resources.defer(() => writeBack(control, log))
  return {
    folder: folder.path,
    control,
    watch,
    qemu,
    command,
    version: plan.qemu.version.text,
    terminal: terminal?.connected,
    log,
    savable: async () => ({
      plan,
      control,
      engines,
      initramfs,
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

/** Ends the machine when `signal` is aborted, also long after its boot. */
function endWhenAborted(watch: Watch, signal: AbortSignal): void {
  const end = (): void => watch.end(`The machine was ended: ${messageOf(signal.reason)}`)
  if (signal.aborted) end()
  signal.addEventListener('abort', end, { once: true })
  void watch.ended.then(() => signal.removeEventListener('abort', end))
}

/** Ends the machine when one of its engines ends. `serving` has rejected already for an engine that could not start. */
async function endWith(engine: Engine, watch: Watch): Promise<void> {
  const hasBegun = await engine.serving.then(
    () => true,
    () => false,
  )
  if (!hasBegun) return
  await engine.ended.catch((error: unknown) => watch.end(`${messageOf(error)}.`))
}

/**
 * Loads a snapshot into QEMU, lets the guest run, and sets its clock, which has stood still since. The servers send nothing
 * before QEMU has loaded the snapshot: QEMU would pass it to a user network without the guest's connections.
 */
async function goOn(
  snapshot: Snapshot,
  monitor: Promise<Qmp>,
  control: Control,
  engines: readonly Engine[],
  log: (line: string) => void,
): Promise<void> {
  const qmp = await monitor
  await loadMemory(qmp, snapshot.machine.plan.qemu.version, snapshot.memory)
  await qmp.execute('cont')
  const clock = control.clock.set(Date.now())
  for (const server of [control, ...engines]) server.goOn()
  const lost = await Promise.all(engines.map((engine) => engine.resumed))
  // The guest then looks up anew the files that it does not have open. Over 9P a stale file shows when it is opened. Over virtio-fs
  // the guest may have kept names and content of its root for a day (fuse/caching.ts), and asks nobody whether they are right.
  if (snapshot.machine.plan.transport === 'virtiofs') await control.ask(FORGET_FILES)
  else if (lost.some((files) => files > 0)) control.send(FORGET_FILES)
  await clock
  setRightSoon(control, log)
}

/** How long a guest may take to write everything to its disk, in milliseconds. */
const WRITE_BACK_TIMEOUT = 10_000

/** Makes the guest write everything to its disk: what it has written must outlast a QEMU that is killed. */
async function writeBack(control: Control, log: (line: string) => void): Promise<void> {
  const over = new AbortController()
  // A guest that has ended has nothing left to write.
  const written = control.ask('sync').catch((error: unknown) => log(`sync: ${messageOf(error)}`))
  await Promise.race([written, sleep(WRITE_BACK_TIMEOUT, undefined, { signal: over.signal })])
  over.abort()
}

/** Rejects with the reason why the guest does not become ready: its end, the timeout, or an abort. */
async function whyNot(watch: Watch, { bootTimeout, signal }: MachineHooks): Promise<never> {
  const over = sleep(bootTimeout, undefined, { ref: false })
  const ended = await Promise.race([watch.ended, whenAborted(signal), over])
  signal.throwIfAborted()
  throw ended ?? watch.failure(`The guest was not ready after ${bootTimeout / 1000} seconds.`)
}
