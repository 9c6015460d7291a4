// How fast the server is, next to others on the same tree, by itself and in a guest: `npm run bench`. It
// measures and asserts nothing. `npm run bench -- --help` says what can be added.

import { run, runTool } from './child.mjs'
import { ready } from './ready.mjs'

await ready()
// Node 20 cannot run TypeScript, so the bench is compiled, together with the src/ that it measures.
const { code, output } = await runTool('tsc', ['-p', 'tsconfig.bench.json'], { capture: true })
if (code !== 0) {
  console.error(`${output}\nbench/ does not compile.`)
  process.exit(1)
}
const main = ['--enable-source-maps', '.cache/bench/bench/main.js', ...process.argv.slice(2)]
process.exitCode = (await run(process.execPath, main)).code
