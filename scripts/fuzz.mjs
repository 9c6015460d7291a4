// Runs the fuzzers for a given time: `npm run fuzz -- --seconds 600 --seed 7`. The default seed is taken from the
// clock, and is printed. docs/tests.md says more.

import { parseArgs } from 'node:util'
import { runTool } from './child.mjs'
import { ready } from './ready.mjs'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Math.trunc(Date.now() / 1000)) },
  },
})
for (const [name, value] of Object.entries(values)) {
  if (!/^\d{1,10}$/.test(value)) {
    console.error(`--${name} ${value} is not a whole number.`)
    process.exit(1)
  }
}

await ready()
process.env.LOWERDIR_FUZZ_SECONDS = values.seconds
process.env.LOWERDIR_FUZZ_DRIVER_SECONDS = values.seconds
process.env.LOWERDIR_FUZZ_SEED = values.seed
const tests = ['test/fuzz/fuzz.test.ts', 'test/fuzz/virtqueue.test.ts']
const vitest = ['run', '--project=unit', ...tests]
process.exitCode = (await runTool('vitest', vitest)).code
