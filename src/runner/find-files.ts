import { readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** The name of a test file. */
const NAME = /\.vm\.test\.(?:mjs|js|ts|mts)$/

/** A path that was given has no tests. The message says what to do. */
export class NoTestsError extends Error {
  override readonly name = 'NoTestsError'
}

/**
 * The test files at some paths: a file itself, whatever its name; of a folder all files `*.vm.test.ts`, `.mts`, `.js`
 * and `.mjs` in it and in its subfolders, except node_modules and hidden folders.
 *
 * @returns absolute paths, each once, those of a folder in alphabetical order.
 * @throws NoTestsError for a path without any.
 */
export function findTestFiles(paths: readonly string[]): string[] {
  const files = new Set<string>()
  for (const path of paths) {
    const found = filesAt(resolve(path))
    if (found.length === 0) {
      const message =
        path === '.'
          ? 'There are no tests in this folder: no file is called *.vm.test.ts, .mts, .js or .mjs. Name a file or another folder.'
          : `There are no tests at ${path}: name a file, or a folder that has *.vm.test.ts, .mts, .js or .mjs files.`
      throw new NoTestsError(message)
    }
    for (const file of found) files.add(file)
  }
  return [...files]
}

function filesAt(path: string): string[] {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat?.isFile()) return [path]
  return stat?.isDirectory() ? filesBelow(path) : []
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return isSearched(entry.name) ? filesBelow(path) : []
      return entry.isFile() && NAME.test(entry.name) ? [path] : []
    })
}

function isSearched(folder: string): boolean {
  return folder !== 'node_modules' && !folder.startsWith('.')
}
