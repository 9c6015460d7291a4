import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { MachineFolder } from './machine-folder.ts'
import { page } from './page.ts'
import type { TestRun } from './results.ts'

/** Writes the HTML report of a test run to a file, and makes the file's folder if there is none. */
export async function writeReport(
  file: string,
  run: TestRun,
  machines: readonly MachineFolder[],
): Promise<void> {
  const { parts } = page(run, machines, await readScripts())
  await mkdir(dirname(file), { recursive: true })
  // An iterable is written part by part.
  await writeFile(file, parts)
}

/** The scripts of the report: modules of `browser/` that import nothing. */
const scripts = ['filter', 'pages', 'search', 'tabs', 'timeline']

async function readScripts(): Promise<string[]> {
  return Promise.all(
    scripts.map(async (name) => {
      const text = await readFile(new URL(`./browser/${name}.js`, import.meta.url), 'utf8')
      // The report does not contain the source map.
      return text.replace(/^\/\/# sourceMappingURL=.*$/m, '').trim()
    }),
  )
}
