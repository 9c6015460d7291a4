// Lets clients of every kind at a server for a given time: `npm run soak -- --minutes 30`. It ends with how many rounds
// each has made, and the server's memory and descriptors then and now. docs/tests.md says more.

import { parseArgs } from 'node:util'
import { runTool } from './child.mjs'
import { ready } from './ready.mjs'

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '30' } } })
if (!/^\d{1,4}$/.test(values.minutes)) {
  console.error(`--minutes ${values.minutes} is not a whole number.`)
  process.exit(1)
}

await ready()
process.env.LOWERDIR_SOAK_SECONDS = String(60 * Number(values.minutes))
// Vitest would take what follows this option for its value.
const vitest = ['run', 'test/soak', '--project=unit', '--disable-console-intercept']
process.exitCode = (await runTool('vitest', vitest)).code
