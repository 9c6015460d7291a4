// The reference of the public API, made by TypeDoc from the doc comments: `npm run docs` writes it to docs/api, which is
// not committed. Warnings count as errors.
//
// TypeDoc needs TypeScript 6, the project has TypeScript 7, and both bring a program `tsc`. So TypeDoc has a package of its
// own, scripts/typedoc, which the first run installs.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './child.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const tool = join(root, 'scripts/typedoc')
const options = join(root, '.cache/api/typedoc.json')

if (!existsSync(join(tool, 'node_modules/typedoc'))) {
  await step('npm', ['ci', '--prefix', tool, '--no-audit', '--no-fund'])
}
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
mkdirSync(join(options, '..'), { recursive: true })
writeFileSync(
  options,
  JSON.stringify({
    name: 'lowerdir',
    entryPoints: Object.values(exports)
      .filter((file) => file.endsWith('.js'))
      .map((file) => join(root, file.replace('./dist/', 'src/').replace(/\.js$/, '.ts'))),
    tsconfig: join(root, 'tsconfig.build.json'),
    out: join(root, 'docs/api'),
    readme: 'none',
    disableSources: true,
    // Constants from which types are derived; the types are there.
    intentionallyNotExported: ['cacheModes', 'errno', 'kinds', 'limitTable', 'transportChoices'],
    // Comments link to inner names as well, for readers of the source.
    validation: { invalidLink: false },
    treatWarningsAsErrors: true,
  }),
)
await step(process.execPath, [join(tool, 'node_modules/typedoc/bin/typedoc'), '--options', options])

async function step(command, args) {
  const { code } = await run(command, args)
  if (code !== 0) process.exit(code)
}
