import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { QemuMachine } from '../machine/qemu-machine.ts'
import { RuntimeFolder } from '../machine/runtime-folder.ts'
import { Snapshot } from '../machine/snapshot.ts'
import type { Recorder } from '../record/recorder.ts'

/** What a test's machine is, beside what QEMU and the servers know. */
interface DriverData {
  readonly env: Readonly<Record<string, string>>
}

/** The file of a snapshot's folder that has it. */
const DRIVER = 'driver.json'

/** A machine at one moment, from which others can go on. */
export class MachineSnapshot implements AsyncDisposable {
  /** Where it is. */
  readonly folder: string
  readonly #owned: Disposable | undefined

  /** @param owned gives the folder back, where it is to go with this. */
  constructor(folder: string, owned?: Disposable) {
    this.folder = folder
    this.#owned = owned
  }

  /** All of it, for a machine to go on from. @throws Error when there is none, or one of another version. */
  async read(): Promise<{ readonly snapshot: Snapshot; readonly driver: DriverData }> {
    const snapshot = await Snapshot.read(this.folder)
    const driver = JSON.parse(await readFile(join(this.folder, DRIVER), 'utf8')) as DriverData
    return { snapshot, driver }
  }

  /** Removes one that was given no folder of its own. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#owned?.[Symbol.dispose]()
  }
}

/** Saves a machine, to `folder` or for as long as the snapshot is not disposed of. */
export async function saveSnapshot(
  qemu: QemuMachine,
  env: DriverData['env'],
  recorder: Recorder,
  folder?: string,
): Promise<MachineSnapshot> {
  const owned = folder === undefined ? RuntimeFolder.create() : undefined
  const path = owned === undefined ? resolve(folder ?? '') : owned.file('snapshot')
  try {
    const { folder: where } = await qemu.save(path)
    await writeFile(join(where, DRIVER), JSON.stringify({ env } satisfies DriverData))
    recorder.event({ kind: 'snapshot', action: 'saved', name: where })
    return new MachineSnapshot(where, owned)
  } catch (error) {
    owned?.[Symbol.dispose]()
    throw error
  }
}
