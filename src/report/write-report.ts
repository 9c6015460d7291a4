import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { MachineFolder } from './machine-folder.ts'
import { page } from './page.ts'
import type { TestRun } from './results.ts'
import { readScripts } from './scripts.ts'

/** Writes the HTML report of a run to a file, whose folder is made if need be. */
export async function writeReport(
  file: string,
  run: TestRun,
  machines: readonly MachineFolder[],
): Promise<void> {
  const text = page(run, machines, await readScripts())
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text)
}
