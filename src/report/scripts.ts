import { readFile } from 'node:fs/promises'

/** What makes the report move: modules of `browser/`, each for itself. */
const names = ['filter', 'pages', 'search', 'tabs', 'timeline']

/** Reads the scripts that go into a report. */
export async function readScripts(): Promise<string[]> {
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(new URL(`./browser/${name}.js`, import.meta.url), 'utf8')
      // The map is no part of the report.
      return text.replace(/^\/\/# sourceMappingURL=.*$/m, '').trim()
    }),
  )
}
