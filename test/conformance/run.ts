// The behaviours on a plain directory, without a test runner: for a guest, whose directory is a 9P
// mount. `node run.js DIRECTORY` prints one line of JSON for each and exits with 1 if one failed.

import { behaviours, kernelBehaviours, usersBehaviours } from './behaviours/index.ts'
import { PlainFs } from './plain-fs.ts'

const [directory] = process.argv.slice(2)
if (directory === undefined) throw new Error('usage: node run.js DIRECTORY')

process.umask(0)
const root = new PlainFs(Buffer.from(directory, 'utf8').toString('latin1'))
const all = { ...behaviours, ...kernelBehaviours, ...(root.mayChown ? usersBehaviours : {}) }
let failed = false
let number = 0
for (const [name, behaviour] of Object.entries(all)) {
  const own = `behaviour-${++number}`
  const start = performance.now()
  let error: string | undefined
  try {
    await root.mkdir(own)
    await behaviour(root.in(own))
  } catch (thrown) {
    failed = true
    error = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
  }
  const ms = Math.round(performance.now() - start)
  console.log(JSON.stringify({ name, ok: error === undefined, ms, ...(error ? { error } : {}) }))
}
process.exitCode = failed ? 1 : 0
