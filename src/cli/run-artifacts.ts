import { readdirSync, rmSync, rmdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { RuntimeFolder } from '../machine/runtime-folder.ts'
import { ownerOf } from '../report/attribution.ts'
import { type MachineFolder, readMachines } from '../report/machine-folder.ts'
import type { TestRun } from '../report/results.ts'
import { Artifacts, artifactsRoot } from '../record/artifacts.ts'
import { explain } from './user-error.ts'

/** The artifacts of a run of tests: a folder for each file of tests, with one for each machine in it. */
export class RunArtifacts implements Disposable {
  readonly #root: string | undefined
  /** Where they are when they are for a report alone, and of no use afterwards: gone with this process, too. */
  readonly #temporary: RuntimeFolder | undefined

  /**
   * @param option where the user wants them; otherwise the environment says it.
   * @param isNeeded whether there have to be some, wherever that is.
   */
  constructor(option: string | undefined, isNeeded: boolean) {
    const root = artifactsRoot(option)
    this.#temporary = root === undefined && isNeeded ? RuntimeFolder.create() : undefined
    this.#root = this.#temporary?.file('artifacts') ?? root
  }

  get isWanted(): boolean {
    return this.#root !== undefined
  }

  /** Makes the folder for a file of tests. */
  folderFor(file: string): string {
    const root = this.#root ?? ''
    try {
      return Artifacts.create(root, file).path
    } catch (error) {
      throw explain(`${root} cannot have artifacts`, error)
    }
  }

  /** All machines of the run. */
  async read({ files }: TestRun): Promise<MachineFolder[]> {
    const folders = files.map(({ artifacts }) => artifacts).filter((path) => path !== undefined)
    return (await Promise.all(folders.map(readMachines))).flat()
  }

  /** Removes what tests have left that passed. What belongs to no single test stays if any of its file failed. */
  removePassed(run: TestRun, machines: readonly MachineFolder[]): void {
    for (const machine of machines) {
      const { test, file } = ownerOf(machine, run)
      const statuses = test ? [test.status] : (file?.tests ?? []).map(({ status }) => status)
      const hasFailed = file?.failure !== undefined || statuses.includes('failed')
      if (!hasFailed) rmSync(machine.path, { recursive: true })
    }
    const folders = [...machines.map(({ path }) => dirname(path)), ...foldersOf(run)]
    for (const folder of new Set(folders)) removeIfEmpty(folder)
  }

  [Symbol.dispose](): void {
    this.#temporary?.[Symbol.dispose]()
  }
}

function foldersOf({ files }: TestRun): string[] {
  return files.map(({ artifacts }) => artifacts).filter((path) => path !== undefined)
}

function removeIfEmpty(folder: string): void {
  if (readdirSync(folder).length === 0) rmdirSync(folder)
}
