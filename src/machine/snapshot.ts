import { chmod, copyFile, constants, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SavedConnection } from '../server/share.ts'
import type { Engine } from '../server/engine.ts'
import { isSystemError } from '../util/error.ts'
import { whenAcknowledged } from './acknowledged.ts'
import type { Control, SavedControl } from './control/control.ts'
import type { DiskImage } from './devices/disk.ts'
import type { MachinePlan } from './plan.ts'
import type { QemuVersion } from '../provision/qemu.ts'
import type { Qmp } from './qmp.ts'
import { createPrivate } from './private-file.ts'
import { saveDisks } from './saved-disks.ts'
import { saveMemory } from './saved-memory.ts'

/** The version of what is saved here and by the servers: it changes with every change of either. */
export const SNAPSHOT_FORMAT = 4

/** What a snapshot has of a machine besides its memory and its devices. */
export interface SavedMachine {
  readonly format: number
  readonly plan: MachinePlan
  readonly control: SavedControl
  /** The clients of each engine: the root's first, then those of the shares in their order. */
  readonly servers: readonly (readonly SavedConnection[])[]
  /** The images to go on with. Copies of the writable disks are in the snapshot's folder. */
  readonly disks: readonly DiskImage[]
}

/** A folder has no snapshot that can be used. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError'
}

/** A machine at one moment, from which others go on. It is a folder. */
export class Snapshot {
  readonly folder: string
  readonly machine: SavedMachine

  private constructor(folder: string, machine: SavedMachine) {
    this.folder = folder
    this.machine = machine
  }

  /** @throws SnapshotError when there is none in the folder, or one of another version. */
  static async read(folder: string): Promise<Snapshot> {
    const text = await readFile(join(folder, MACHINE), 'utf8').catch((error: unknown) => {
      if (!isSystemError(error, 'ENOENT', 'ENOTDIR')) throw error
      throw new SnapshotError(`There is no snapshot in ${folder}.`, { cause: error })
    })
    const machine = JSON.parse(text) as SavedMachine
    if (machine.format !== SNAPSHOT_FORMAT) {
      throw new SnapshotError(
        `The snapshot in ${folder} was made by another version of lowerdir. Make it again.`,
      )
    }
    return new Snapshot(folder, machine)
  }

  /** The machine's memory and devices, as QEMU writes them. */
  get memory(): string {
    return join(this.folder, MEMORY)
  }

  get initramfs(): string {
    return join(this.folder, INITRAMFS)
  }

  /** Copies are found in the folder, which may have been moved since. */
  get disks(): readonly DiskImage[] {
    return this.machine.disks.map((disk) =>
      disk.untouched === true ? { ...disk, file: join(this.folder, basename(disk.file)) } : disk,
    )
  }
}

const MACHINE = 'machine.json'
const MEMORY = 'memory'
const INITRAMFS = 'initramfs'

/** How long a guest may take to get ready for its next command, in milliseconds. After that it is saved as it is. */
const REST_TIMEOUT = 2000

/** The parts of a running machine that are saved. */
export interface Savable {
  readonly plan: MachinePlan
  readonly control: Control
  readonly engines: readonly Engine[]
  readonly initramfs: string
  readonly disks: readonly DiskImage[]
  readonly qmp: Qmp
}

/**
 * Writes a running machine to a new folder. The guest is stopped meanwhile, and goes on afterwards, also when this fails.
 *
 * The folder is a snapshot once its last file is there. Only this user can read the files, whatever the umask: they are all
 * that the guest has in memory and on its disks.
 *
 * @throws Error with the reason when the machine cannot be saved.
 */
export async function saveMachine(machine: Savable, folder: string): Promise<Snapshot> {
  const { plan, control, engines, initramfs, disks, qmp } = machine
  checkSavable(plan)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await copyInitramfs(initramfs, join(folder, INITRAMFS))
  const servers = [control, ...engines]
  let saved: SavedMachine
  // Otherwise each machine that goes on from the snapshot has to get ready first.
  await Promise.race([control.prepareToRest(), sleep(REST_TIMEOUT, undefined, { ref: false })])
  try {
    await Promise.all(servers.map((server) => server.hold()))
    await whenAcknowledged(qmp)
    await qmp.execute('stop')
    try {
      saved = {
        format: SNAPSHOT_FORMAT,
        plan,
        control: await control.save(),
        servers: await Promise.all(engines.map((engine) => engine.save())),
        disks: await saveDisks(qmp, disks, folder),
      }
      await saveMemory(qmp, plan.qemu.version, join(folder, MEMORY))
    } finally {
      await qmp.execute('cont')
    }
  } finally {
    for (const server of servers) server.goOn()
  }
  const unfinished = join(folder, `${MACHINE}.part`)
  await createPrivate(unfinished)
  await writeFile(unfinished, JSON.stringify(saved))
  await rename(unfinished, join(folder, MACHINE))
  return Snapshot.read(folder)
}

async function copyInitramfs(from: string, to: string): Promise<void> {
  await createPrivate(to)
  await copyFile(from, to, constants.COPYFILE_FICLONE)
  // copyFile has given it the mode of `from`.
  await chmod(to, 0o600)
}

/** Whether a QEMU can save a device for virtio-fs (its commit "vhost-user-fs: Implement internal migration"). */
function savesFileSystems({ major, minor }: QemuVersion): boolean {
  return major > 8 || (major === 8 && minor >= 2)
}

/** @throws Error for a plan with a part that cannot be saved. */
function checkSavable({ transport, qemu, shares, nics, upper }: MachinePlan): void {
  if (transport === '9p') {
    throw new Error(
      'QEMU cannot save a 9P device. A machine that is to be saved is booted with the transport virtiofs or tcp.',
    )
  }
  if (transport === 'virtiofs' && !savesFileSystems(qemu.version)) {
    throw new Error(
      `QEMU ${qemu.version.text} cannot save a device for virtio-fs, as QEMU 8.2 can. ` +
        'A machine that is to be saved is booted with the transport tcp here.',
    )
  }
  if (upper !== null && 'directory' in upper) {
    throw new Error(
      `The upper layer is in ${upper.directory}, which two machines cannot have: it would have to be copied.`,
    )
  }
  if (nics.length > 0) {
    throw new Error(
      'A machine of a network cannot be saved: the others would not be as it has known them.',
    )
  }
  for (const share of shares) {
    if ('socket' in share || 'tree' in share) {
      throw new Error(
        `The share ${share.target} is no directory, and what serves it would have to be saved as well.`,
      )
    }
  }
}
