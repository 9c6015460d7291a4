import { readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** What a file of tests is called. */
const NAME = /\.vm\.test\.(?:mjs|js|ts|mts)$/

/** A path that was named and cannot be tests. */
export class NoTestsError extends Error {
  override readonly name = 'NoTestsError'
}

/**
 * The files of tests that are meant by some paths: a file is one whatever its name, and of a folder all that are called
 * `*.vm.test.ts`, `.mts`, `.js` or `.mjs`, at whatever depth, but for node_modules and hidden folders.
 *
 * @returns Absolute paths, each once, those of a folder in alphabetical order.
 * @throws NoTestsError where there is nothing.
 */
export function findTestFiles(paths: readonly string[]): string[] {
  const files = new Set<string>()
  for (const path of paths) {
    const found = filesAt(resolve(path))
    if (found.length === 0) {
      const message =
        path === '.'
          ? 'Here are no tests: no file is called *.vm.test.ts, .mts, .js or .mjs.'
          : `There are no tests at ${path}: say a file, or a folder that has *.vm.test.ts, .mts, .js or .mjs files.`
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
