import { existsSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { GuestInit } from '../guest/init.ts'
import { MASKED_UNITS } from '../guest/systemd.ts'
import { chooseAccelerator } from '../machine/accelerator.ts'
import { BOOT_TIMEOUT } from '../machine/boot-timeout.ts'
import { modulesShare } from '../machine/modules-share.ts'
import { checkMsize } from '../machine/msize.ts'
import type { DiskOptions, MachineData, MachineOptions, ShareOptions } from '../machine/plan.ts'
import { QemuMachine } from '../machine/qemu-machine.ts'
import { chooseTransport } from '../machine/transport.ts'
import { findParts } from '../provision/parts.ts'
import type { Ownership } from '../tree/host/owners.ts'
import { type MachineIdentity, type WatchOptions, assemble } from './assemble.ts'
import { Machine } from './machine.ts'
import type { BootOptions, MachineDisk, MachineShare, NetworkSeat } from './options.ts'
import { untilReady } from './power.ts'
import { mebibytes } from '../util/size.ts'
import { memoryMiB, messageSize } from './options.ts'
import { startMachine } from './test-machines.ts'

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
 * In a test of node:test's, `boot({ root, test: t })` needs no `await using`: the machine is the test's
 * ({@link BootOptions.test}).
 *
 * @throws MachineError when the guest or QEMU ends before that, with the end of the console; ProvisionError
 *   when QEMU, busybox or a kernel is missing; ErrnoError when a directory cannot be served. Nothing is left
 *   behind then.
 */
export async function boot(options: BootOptions = {}, seat?: NetworkSeat): Promise<Machine> {
  return startMachine(options, async (each) => bootPlanned(await planMachine(each, seat), each))
}

/** Boots what was planned. @throws as {@link boot}. */
export function bootPlanned(
  { data, identity }: MachinePlan,
  options: WatchOptions,
): Promise<Machine> {
  return assemble(
    identity,
    options,
    (hooks) => QemuMachine.boot({ ...data, ...hooks }),
    (parts) => new Machine(parts),
    async (machine) => {
      if (data.init === 'systemd') await untilReady(machine)
    },
  )
}

/** What a machine would be made of, and what it would be, with nothing started. */
export interface MachinePlan {
  readonly data: MachineData
  readonly identity: MachineIdentity
}

/** Plans a machine. @throws as {@link boot}. */
export async function planMachine(options: BootOptions, seat?: NetworkSeat): Promise<MachinePlan> {
  const name = options.name ?? 'machine'
  if (!NAME.test(name))
    throw new RangeError(`"${name}" is no host name, and a machine's name is one.`)
  const root = resolve(options.root ?? '/')
  const init = chooseInit(root, options.init ?? 'auto')
  const chosen = chooseAccelerator(options.accel ?? 'auto')
  const { accelerator } = chosen
  const found = await findParts({ paths: { qemu: options.qemu, kernel: options.kernel } })
  const { transport } = await chooseTransport(options.transport ?? 'auto', found.qemu, found.kernel)

  const shares = (options.shares ?? []).map(machineShare)
  const data: MachineData = {
    ...found,
    busybox: found.busybox.path,
    accelerator,
    transport,
    msize: checkMsize(messageSize(options), transport),
    root,
    rootOwner: options.rootOwner ?? ownerOf(root),
    ...(options.rootView === undefined ? {} : { rootView: options.rootView }),
    atime: 'preserve',
    sandbox: 'auto',
    shares: [...shares, ...modulesShare(root, found.kernel)],
    upper: upperDisk(options.upper ?? 'tmpfs'),
    disks: (options.disks ?? []).map(machineDisk),
    memoryMiB: memoryMiB(options),
    cpus: options.cpus ?? 1,
    append: options.kernelArguments ?? '',
    initrd: options.initrd === undefined ? null : resolve(options.initrd),
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
  }
  const env = options.env ?? {}
  const timeout = options.timeout ?? BOOT_TIMEOUT[accelerator] / 1000
  return { data, identity: { name, init, accelerator: chosen, env, seat, timeout } }
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
