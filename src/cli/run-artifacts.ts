import { readdirSync, rmSync, rmdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { RuntimeFolder } from '../machine/runtime-folder.ts'
import { ownerOf } from '../report/attribution.ts'
import { type MachineFolder, readMachines } from '../report/machine-folder.ts'
import type { TestRun } from '../report/results.ts'
import { Artifacts, artifactsRoot } from '../record/artifacts.ts'
import { explain } from './user-error.ts'

/** The artifacts of a test run: a folder for each test file, with a folder for each machine in it. */
export class RunArtifacts implements Disposable {
  readonly #root: string | undefined
  /** The folder of artifacts that only the report needs; it is removed with this object, or when this process ends. */
  readonly #temporary: RuntimeFolder | undefined

  /**
   * @param option the folder of --artifacts; by default that of $LOWERDIR_ARTIFACTS.
   * @param isNeeded whether artifacts are needed even if the user has named no folder.
   */
  constructor(option: string | undefined, isNeeded: boolean) {
    const root = artifactsRoot(option)
    this.#temporary = root === undefined && isNeeded ? RuntimeFolder.create() : undefined
    this.#root = this.#temporary?.file('artifacts') ?? root
  }

  get isWanted(): boolean {
    return this.#root !== undefined
  }

  /** Makes the folder for a test file. */
  folderFor(file: string): string {
    const root = this.#root ?? ''
    try {
      return Artifacts.create(root, file).path
    } catch (error) {
      throw explain(`The artifacts cannot be kept in ${root}`, error)
    }
  }

  /** All machines of the run. */
  async read({ files }: TestRun): Promise<MachineFolder[]> {
    const folders = files.map(({ artifacts }) => artifacts).filter((path) => path !== undefined)
    return (await Promise.all(folders.map(readMachines))).flat()
  }

  /**
   * Removes the artifacts of tests that have passed. Those of no single test stay if any test of their file has failed, or
   * was interrupted.
   */
  removePassed(run: TestRun, machines: readonly MachineFolder[]): void {
    for (const machine of machines) {
      const { test, file } = ownerOf(machine, run)
      const statuses = test ? [test.status] : (file?.tests ?? []).map(({ status }) => status)
      const isWhole = file?.failure === undefined && file?.interrupted === undefined
      const hasPassed = statuses.every((status) => status === 'passed' || status === 'skipped')
      if (isWhole && hasPassed) rmSync(machine.path, { recursive: true })
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
