import { readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { defineConfig, type ViteUserConfig } from 'vitest/config'

const root = dirname(fileURLToPath(import.meta.url))

function fileUrl(...path: readonly string[]): string {
  return pathToFileURL(join(root, ...path)).href
}

/** The files of the package's entries (`exports` of package.json), by the names that users import. */
const faces = new Map(
  Object.entries(
    (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: object }).exports,
  ).map(([path, file]) => [join('lowerdir', path), String(file)]),
)

/**
 * The tests run what ships. A test names the source that it is about, `../../src/room/file.ts`, so
 * that tsc and editors know its types. What is loaded is the built `dist/room/file.js`, by Node and
 * not by Vite, so that worker threads, `import.meta.url` and the FFI are those of the package.
 */
const loadWhatShips: NonNullable<ViteUserConfig['plugins']>[number] = {
  name: 'load-what-ships',
  enforce: 'pre',
  resolveId(specifier, importer) {
    if (!importer) return undefined
    // The package's own name, as users of the package import it.
    const own = faces.get(specifier)
    if (own !== undefined) return { id: fileUrl(own), external: true }
    if (!specifier.startsWith('.')) return undefined
    const [folder] = relative(root, importer).split('/', 1)
    if (folder !== 'test' && folder !== 'bench') return undefined
    const source = relative(join(root, 'src'), resolve(dirname(importer), specifier))
    if (source.startsWith('..') || !source.endsWith('.ts')) return undefined
    return { id: fileUrl('dist', source.replace(/\.ts$/, '.js')), external: true }
  },
}

export default defineConfig({
  plugins: [loadWhatShips],
  test: {
    pool: 'forks',
    // Stack traces of dist/ point into src/.
    execArgv: ['--enable-source-maps'],
    setupFiles: ['test/support/setup.ts'],
    expect: { poll: { timeout: 60_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/vm/**'],
          maxWorkers: 2,
          // Nothing waits that long. On a busy machine anything may take its time, and that is no fault.
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'vm',
          include: ['test/vm/**/*.test.ts', 'examples/**/*.test.ts'],
          // An emulated guest takes a processor, and something beside it.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
})
