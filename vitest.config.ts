import { readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { defineConfig, type ViteUserConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

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

/** The files that take longest, longest first; see docs/tests.md. */
const longest = [
  'test/vm/conformance',
  'test/vm/units',
  'test/vm/programs',
  'test/vm/snapshot',
  'test/vm/ends',
  'test/vm/vhost-user',
  'test/vm/noatime',
  'test/vm/driver',
  'test/vm/run',
  'test/vm/node-test',
  'test/vm/vitest',
  'test/vm/disks',
  'test/vm/not-answering',
  'test/vm/leaks',
]

/**
 * Starts long files first, so that no long one is left for the end when the other worker has nothing to do: the listed
 * ones, then the others that boot guests, then the rest.
 */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return files.toSorted((a, b) => rank(a) - rank(b) || (a.moduleId < b.moduleId ? -1 : 1))
  }
}

function rank({ moduleId, project }: TestSpecification): number {
  const path = relative(root, moduleId)
  const place = longest.findIndex((file) => path.startsWith(`${file}.`))
  if (place >= 0) return place
  return longest.length + (project.name === 'vm' ? 0 : 1)
}

export default defineConfig({
  plugins: [loadWhatShips],
  test: {
    pool: 'forks',
    // Stack traces of dist/ point into src/.
    execArgv: ['--enable-source-maps'],
    setupFiles: ['test/support/setup.ts'],
    // An emulated guest takes a processor, and something beside it.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    expect: { poll: { timeout: 60_000, interval: 10 } },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/vm/**'],
          // No test takes that long, not even on a machine that is ten times too busy.
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'vm',
          include: ['test/vm/**/*.test.ts', 'examples/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
})
