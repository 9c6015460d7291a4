import { copyFile, constants, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SavedConnection } from '../server/share.ts'
import type { Engine } from '../server/engine.ts'
import { whenAcknowledged } from './acknowledged.ts'
import type { Control, SavedControl } from './control/control.ts'
import type { DiskImage } from './devices/disk.ts'
import type { MachinePlan } from './plan.ts'
import type { Qmp } from './qmp.ts'
import { saveDisks } from './saved-disks.ts'
import { saveMemory } from './saved-memory.ts'

/** Changes with every change of what is written down here or by the servers. */
const FORMAT = 3

/** What is known of a machine that was saved, beside its memory. */
export interface SavedMachine {
  readonly format: number
  readonly plan: MachinePlan
  readonly control: SavedControl
  /** The clients of each server, of the root first and then of the shares, in their order. */
  readonly servers: readonly (readonly SavedConnection[])[]
  /** What those that it writes to were like is in the snapshot's folder. */
  readonly disks: readonly DiskImage[]
}

/** A machine at one moment, from which others go on: a folder. */
export class Snapshot {
  readonly folder: string
  readonly machine: SavedMachine

  private constructor(folder: string, machine: SavedMachine) {
    this.folder = folder
    this.machine = machine
  }

  /** @throws Error when there is none in the folder, or one of another version. */
  static async read(folder: string): Promise<Snapshot> {
    const text = await readFile(join(folder, MACHINE), 'utf8').catch((error: unknown) => {
      throw new Error(`There is no snapshot in ${folder}.`, { cause: error })
    })
    const machine = JSON.parse(text) as SavedMachine
    if (machine.format !== FORMAT) {
      throw new Error(
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

  /** The folder may have been moved since. */
  get disks(): readonly DiskImage[] {
    return this.machine.disks.map((disk) =>
      disk.untouched === true ? { ...disk, file: join(this.folder, basename(disk.file)) } : disk,
    )
  }
}

const MACHINE = 'machine.json'
const MEMORY = 'memory'
const INITRAMFS = 'initramfs'

/** How long a guest may take to make itself ready for its next command, in milliseconds. It is saved all the same. */
const REST_PATIENCE = 2000

/** What of a running machine is saved. */
export interface Savable {
  readonly plan: MachinePlan
  readonly control: Control
  readonly engines: readonly Engine[]
  readonly initramfs: string
  readonly disks: readonly DiskImage[]
  readonly qmp: Qmp
}

/**
 * Writes a running machine to a folder, which is made, and lets it go on. It stands still meanwhile.
 *
 * The folder holds a snapshot as soon as its last file is there, and none before.
 *
 * @throws Error for a machine that cannot be saved, with the reason; it goes on all the same.
 */
export async function saveMachine(machine: Savable, folder: string): Promise<Snapshot> {
  const { plan, control, engines, initramfs, disks, qmp } = machine
  checkSavable(plan)
  await mkdir(folder, { recursive: true })
  await copyFile(initramfs, join(folder, INITRAMFS), constants.COPYFILE_FICLONE)
  const servers = [control, ...engines]
  let saved: SavedMachine
  // Else each machine that goes on from there would have to do it first.
  await Promise.race([control.prepareToRest(), sleep(REST_PATIENCE, undefined, { ref: false })])
  try {
    await Promise.all(servers.map((server) => server.hold()))
    await whenAcknowledged(qmp)
    await qmp.execute('stop')
    try {
      saved = {
        format: FORMAT,
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
  await writeFile(unfinished, JSON.stringify(saved))
  await rename(unfinished, join(folder, MACHINE))
  return Snapshot.read(folder)
}

/** @throws Error for what QEMU, or we, cannot save. */
function checkSavable({ transport, shares, nics }: MachinePlan): void {
  if (transport === 'vhost-user') {
    throw new Error(
      'QEMU cannot save vhost-user devices. A machine that is to be saved is booted with the transport tcp.',
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
