import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createPrivate } from '../machine/private-file.ts'
import { RuntimeFolder } from '../machine/runtime-folder.ts'
import { Snapshot } from '../machine/snapshot.ts'
import type { RunningGuest } from './running-guest.ts'
import { type WaitOptions, bounded } from './waits/wait.ts'

/** The state of a machine that only the driver knows. */
interface DriverData {
  readonly env: Readonly<Record<string, string>>
}

/** The file of a snapshot's folder with the driver's state. */
const DRIVER = 'driver.json'

/** A saved machine, from which any number of machines can go on. */
export class MachineSnapshot implements AsyncDisposable {
  /** The folder that it is in. */
  readonly folder: string
  readonly #owned: Disposable | undefined

  /** @param owned removes the folder when the snapshot is disposed of; without it, the folder stays. */
  constructor(folder: string, owned?: Disposable) {
    this.folder = folder
    this.#owned = owned
  }

  /** Removes the folder, unless the snapshot was saved to a folder of the caller's. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#owned?.[Symbol.dispose]()
  }
}

/**
 * Reads a snapshot, for a machine to go on from.
 *
 * @param from a snapshot, or the folder of one.
 * @throws Error when there is none, or one of another version.
 */
export async function readSnapshot(
  from: MachineSnapshot | string,
): Promise<{ readonly snapshot: Snapshot; readonly driver: DriverData }> {
  const folder = typeof from === 'string' ? from : from.folder
  const snapshot = await Snapshot.read(folder)
  const driver = JSON.parse(await readFile(join(folder, DRIVER), 'utf8')) as DriverData
  return { snapshot, driver }
}

/** Saves a machine. @param folder keeps it for good; without one, it lasts until the snapshot is disposed of. */
export async function saveSnapshot(
  guest: RunningGuest,
  folder?: string,
  options: WaitOptions = {},
): Promise<MachineSnapshot> {
  const { qemu, recorder, parts } = guest
  const owned = folder === undefined ? RuntimeFolder.create() : undefined
  const path = owned === undefined ? resolve(folder ?? '') : owned.file('snapshot')
  try {
    const { folder: where } = await bounded(guest, 'the snapshot', options, () => qemu.save(path))
    // Variables of the environment may be secret.
    await createPrivate(join(where, DRIVER))
    await writeFile(join(where, DRIVER), JSON.stringify({ env: parts.env } satisfies DriverData))
    recorder.event({ kind: 'snapshot', action: 'saved', name: where })
    return new MachineSnapshot(where, owned)
  } catch (error) {
    owned?.[Symbol.dispose]()
    throw error
  }
}
