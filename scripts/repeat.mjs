// Runs test files again and again and says how often they failed, and why:
//
//   npm run repeat -- 20 test/vm/terminal
//   npm run repeat -- 20 --load 10 test/vm/terminal test/vm/ends
//
// With `--load K`, K processes keep the processors busy meanwhile.

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runTool } from './child.mjs'
import { ready } from './ready.mjs'

const { times, load, files } = readArguments()
await ready()
const folder = mkdtempSync(join(tmpdir(), 'lowerdir-repeat-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
startLoad(load)

/** How often each failure came, by the test's name and the first line of its error. */
const failures = new Map()
let failedRuns = 0
for (let run = 1; run <= times; run++) {
  const start = performance.now()
  const reasons = await runOnce(run)
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  console.log(`run ${run} of ${times}: ${reasons.length === 0 ? 'ok' : 'FAIL'} ${seconds} s`)
  for (const reason of reasons) {
    console.log(`     ${reason}`)
    failures.set(reason, (failures.get(reason) ?? 0) + 1)
  }
  if (reasons.length > 0) failedRuns += 1
}

console.log(`\n${failedRuns} of ${times} runs failed`)
for (const [reason, count] of [...failures].toSorted((a, b) => b[1] - a[1])) {
  console.log(`${String(count).padStart(4)} × ${reason}`)
}
process.exitCode = failedRuns > 0 ? 1 : 0

function readArguments() {
  const { values, positionals } = parseArgs({
    options: { load: { type: 'string', default: '0' } },
    allowPositionals: true,
  })
  const [count, ...rest] = positionals
  for (const [name, value] of [
    ['the number of runs', count],
    ['--load', values.load],
  ]) {
    if (!/^\d{1,4}$/.test(value ?? '')) giveUp(`${name}: ${value} is not a whole number.`)
  }
  if (rest.length === 0) giveUp('Say which test files: npm run repeat -- 20 test/vm/terminal')
  return { times: Number(count), load: Number(values.load), files: rest }
}

/** One run of the files. @returns why it failed, in lines; none if it passed. */
async function runOnce(run) {
  const report = join(folder, `run-${run}.json`)
  const { code, output } = await runTool(
    'vitest',
    ['run', '--reporter=json', `--outputFile.json=${report}`, ...files],
    { capture: true },
  )
  if (code === 0) return []
  const { testResults } = read(report)
  const reasons = testResults.flatMap(({ name, message, status, assertionResults }) => {
    const failed = assertionResults.filter((test) => test.status === 'failed')
    if (failed.length === 0 && status === 'failed') return [`${name}: ${firstLine(message)}`]
    return failed.map((test) => `${test.fullName}: ${firstLine(test.failureMessages[0])}`)
  })
  return reasons.length > 0 ? reasons : [`Vitest ended with ${code}: ${output.trim().slice(-500)}`]
}

function read(report) {
  try {
    return JSON.parse(readFileSync(report, 'utf8'))
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
    return { testResults: [] }
  }
}

function firstLine(text = '') {
  return text.trim().split('\n', 1)[0]
}

/** Starts processes that keep the processors busy until this one ends. */
function startLoad(count) {
  // Each also ends when this process was killed.
  const spin = 'const p = process.ppid; while (process.ppid === p) for (let i = 0; i < 1e7; i++);'
  const busy = Array.from({ length: count }, () =>
    spawn(process.execPath, ['--eval', spin], { stdio: 'ignore' }),
  )
  process.once('exit', () => busy.forEach((child) => child.kill('SIGKILL')))
}

function giveUp(reason) {
  console.error(reason)
  process.exit(1)
}
