import { existsSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { GuestInit } from '../guest/init.ts'
import { MASKED_UNITS } from '../guest/systemd.ts'
import { chooseAccelerator } from '../machine/accelerator.ts'
import { BOOT_TIMEOUT } from '../machine/boot-timeout.ts'
import { MachineError } from '../machine/failure.ts'
import { modulesShare } from '../machine/modules-share.ts'
import type { DiskOptions, MachineOptions, ShareOptions } from '../machine/options.ts'
import { QemuMachine } from '../machine/qemu-machine.ts'
import { Resources } from '../machine/resources.ts'
import { chooseTransport } from '../machine/transport.ts'
import { findParts } from '../provision/parts.ts'
import type { Ownership } from '../tree/host/owners.ts'
import { Machine } from './machine.ts'
import type { BootOptions, MachineDisk, MachineShare, NetworkSeat } from './options.ts'
import { untilReady } from './power.ts'
import { Artifacts, artifactsRoot } from './record/artifacts.ts'
import { Recorder } from './record/recorder.ts'
import { isDebugging, say, sayAccelerator } from './say.ts'
import { mebibytes } from './size.ts'

const MEMORY = 1024

/** A name that a host may have (hostname(7)). */
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i

/**
 * Boots a machine and resolves when it takes commands; where its init is systemd, when that answers.
 *
 * ```ts
 * await using vm = await boot({ root: '/srv/debian', memory: '1G' })
 * await vm.waitForUnit('nginx')
 * ```
 *
 * @throws MachineError when the guest or QEMU ends before that, with the end of the console; ProvisionError
 *   when QEMU, busybox or a kernel is missing; ErrnoError when a directory cannot be served. Nothing is left
 *   behind then.
 */
export async function boot(options: BootOptions = {}, seat?: NetworkSeat): Promise<Machine> {
  const name = options.name ?? 'machine'
  if (!NAME.test(name))
    throw new RangeError(`"${name}" is no host name, and a machine's name is one.`)
  const root = resolve(options.root ?? '/')
  const init = chooseInit(root, options.init ?? 'auto')
  const chosen = chooseAccelerator(options.accel ?? 'auto')
  const { accelerator } = chosen
  sayAccelerator(chosen)
  const parts = await findParts({ paths: { qemu: options.qemu, kernel: options.kernel } })
  const { transport } = await chooseTransport(options.transport ?? 'auto', parts.qemu, parts.kernel)

  const resources = new Resources()
  try {
    const folder = artifactsRoot(options.artifacts)
    const artifacts = folder === undefined ? undefined : Artifacts.create(folder, name)
    const recorder = resources.use(new Recorder(artifacts?.path))
    recorder.event({
      kind: 'machine',
      name,
      accelerator,
      acceleratorReason: chosen.reason,
      ...(options.test === undefined ? {} : { test: options.test }),
    })
    const shares = (options.shares ?? []).map(machineShare)
    const machineOptions: MachineOptions = {
      ...parts,
      busybox: parts.busybox.path,
      accelerator,
      transport,
      root,
      rootOwner: options.rootOwner ?? ownerOf(root),
      ...(options.rootView === undefined ? {} : { rootView: options.rootView }),
      atime: 'preserve',
      sandbox: 'auto',
      shares: [...shares, ...modulesShare(root, parts.kernel)],
      upper: upperDisk(options.upper ?? 'tmpfs'),
      disks: (options.disks ?? []).map(machineDisk),
      memoryMiB: mebibytes(options.memory ?? MEMORY, 'memory'),
      cpus: options.cpus ?? 1,
      append: options.kernelArguments ?? '',
      qemuArguments: options.qemuArguments ?? [],
      hostname: name,
      init,
      maskedUnits: options.maskedUnits ?? MASKED_UNITS,
      prepare: seat?.script ?? '',
      userNetwork: {
        restricted: options.restrictNetwork ?? true,
        forwards: options.forwardPorts ?? [],
      },
      networkCards: seat?.cards ?? [],
      screen: options.screen ?? true,
      terminal: true,
      keep: options.keep ?? false,
      bootTimeout: (options.timeout ?? BOOT_TIMEOUT[accelerator] / 1000) * 1000,
      signal: options.signal ?? new AbortController().signal,
      onPhase: (phase) => {
        recorder.event({ kind: 'phase', phase })
        options.onPhase?.(phase)
      },
      onConsoleLine: (line) => {
        recorder.event({ kind: 'console', line })
        if (isDebugging) say(`${name} | ${line}`)
      },
      log: (line) => {
        if (isDebugging) say(`${name}: ${line}`)
      },
    }
    const qemu = resources.use(await QemuMachine.boot(machineOptions))
    recorder.event({ kind: 'qemu', command: qemu.command, version: parts.qemu.version.text })
    void qemu.ended.then(({ message }) => recorder.event({ kind: 'ended', reason: message }))
    const machine = new Machine({
      name,
      qemu,
      init,
      accelerator,
      recorder,
      artifacts,
      env: options.env ?? {},
      cables: seat,
      resources,
    })
    if (init === 'systemd') await untilReady(machine)
    recorder.event({ kind: 'ready' })
    return machine
  } catch (error) {
    await resources[Symbol.asyncDispose]()
    throw error instanceof MachineError ? withConsole(name, error) : error
  }
}

/** systemd where the root has it, if it may be chosen. */
function chooseInit(root: string, choice: NonNullable<BootOptions['init']>): GuestInit {
  const hasSystemd = ['usr/lib/systemd/systemd', 'lib/systemd/systemd'].some((path) =>
    existsSync(join(root, path)),
  )
  if (choice === 'auto')
    return hasSystemd && existsSync(join(root, 'sbin/init')) ? 'systemd' : 'none'
  if (choice === 'systemd' && !hasSystemd) {
    throw new Error(
      `${root} has no systemd, so it cannot be its init. \`init: 'none'\` takes a shell.`,
    )
  }
  return choice
}

/** A directory that an ordinary user has made is shown as root's, whose files a guest expects. */
function ownerOf(root: string): Ownership {
  return statSync(root).uid === 0 ? 'host' : { uid: 0, gid: 0 }
}

function machineShare({ source, target, readOnly, owner, cache }: MachineShare): ShareOptions {
  const how = { target, readOnly: readOnly ?? false, ...(cache === undefined ? {} : { cache }) }
  if (typeof source !== 'string') return { tree: source, ...how }
  return { source: resolve(source), owner: owner ?? 'host', ...how }
}

function upperDisk(upper: NonNullable<BootOptions['upper']>): MachineOptions['upper'] {
  if (upper === 'tmpfs') return null
  return { file: resolve(upper.disk), sizeMiB: mebibytes(upper.size ?? '4G', 'upper.size') }
}

function machineDisk(disk: MachineDisk): DiskOptions {
  if ('size' in disk) return { sizeMiB: mebibytes(disk.size, 'disks: size') }
  const { file, format, readOnly } = disk
  return { file: resolve(file), format: format ?? 'raw', readOnly: readOnly ?? false }
}

/** With the console's end in the message, which is all that a test's runner shows. */
function withConsole(name: string, error: MachineError): MachineError {
  const end = error.console === '' ? '' : `\n--- console\n${error.console}`
  return new MachineError(`${name}: ${error.message}${end}`, error.console)
}
