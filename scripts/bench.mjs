// Compares the speed of the server with others, alone and in a guest: `npm run bench`. It measures and asserts
// nothing. `npm run bench -- --help` lists its options.

import { run, runTool } from './child.mjs'
import { ready } from './ready.mjs'

await ready()
// Node 20 cannot run TypeScript, so bench/ is compiled, together with the parts of src/ that it measures.
const { code, output } = await runTool('tsc', ['-p', 'tsconfig.bench.json'], { capture: true })
if (code !== 0) {
  console.error(`${output}\nbench/ does not compile.`)
  process.exit(1)
}
const main = ['--enable-source-maps', '.cache/bench/bench/main.js', ...process.argv.slice(2)]
process.exitCode = (await run(process.execPath, main)).code
