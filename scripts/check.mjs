// Every check there is, in one run: `npm test`. Words narrow it:
//
//   npm test -- static     build, types, lint, format and dead code
//   npm test -- unit       the tests that need no guest
//   npm test -- vm         the tests that boot one
//   npm test -- session    the test files that have this in their path

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { run, runTool } from './child.mjs'
import { build, install } from './ready.mjs'

const words = process.argv.slice(2)
const projects = words.filter((word) => word === 'unit' || word === 'vm')
const files = words.filter((word) => word !== 'static' && !projects.includes(word))
const isNarrowed = words.length > 0
const isCI = !['', '0', 'false'].includes(process.env.CI ?? '')

/** How long the gate fuzzes, on the seeds from 1 on. */
const fuzzSeconds = '30'

/** The parts that the tests are told apart by in the list of times: by the beginning of their files' paths. */
const testParts = [
  ['fuzz', ['test/fuzz/']],
  ['vm', ['test/vm/', 'examples/']],
  ['unit', ['test/']],
]

/** How many of the test files that take longest are listed. */
const longestFiles = 10

const gateStart = performance.now()

const total = { passed: 0, failed: 0, skipped: 0 }

await install()
await check('build', build)
if (!isNarrowed || words.includes('static')) {
  await check('types', () => tool('tsc'))
  await check('lint', () => tool('oxlint'))
  await check('format', () => tool('oxfmt', '--check'))
  await check('dead code', () => tool('knip'))
  await check('API report', () =>
    run(process.execPath, ['scripts/api.mjs', '--check'], { capture: true }),
  )
}
if (!isNarrowed || projects.length > 0 || files.length > 0) {
  await check('guests', provisionForTests)
  await runTests()
}

const { passed, failed, skipped } = total
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
console.log(`     all       ${secondsSince(gateStart).padStart(6)} s`)
process.exitCode = failed > 0 ? 1 : 0

/** One line with the time it took; what it wrote, if it failed. */
async function check(name, task) {
  const start = performance.now()
  const { code, output } = await task()
  printTime(code === 0, name, secondsSince(start))
  if (code === 0) total.passed += 1
  else fail(output)
}

function secondsSince(start) {
  return ((performance.now() - start) / 1000).toFixed(1)
}

function printTime(isOk, name, seconds) {
  console.log(`${isOk ? 'ok  ' : 'FAIL'} ${name.padEnd(10)} ${seconds.padStart(5)} s`)
}

/**
 * The time of each part of the tests, from its first file's start to its last one's end, and the files that took
 * longest. Parts run at the same time, so that their times add up to more than all of it took.
 */
function printTestTimes(testResults) {
  const results = testResults.map(({ name, startTime, endTime, status }) => ({
    path: relative(process.cwd(), name),
    startTime,
    endTime,
    isOk: status === 'passed',
  }))
  const partOf = ({ path }) =>
    testParts.find(([, folders]) => folders.some((folder) => path.startsWith(folder)))?.[0]
  console.log()
  for (const [part] of testParts.toReversed()) {
    const own = results.filter((file) => partOf(file) === part)
    if (own.length === 0) continue
    const start = Math.min(...own.map(({ startTime }) => startTime))
    const end = Math.max(...own.map(({ endTime }) => endTime))
    printTime(
      own.every(({ isOk }) => isOk),
      part,
      ((end - start) / 1000).toFixed(1),
    )
  }
  console.log('     the files that took longest:')
  const byTime = results.toSorted((a, b) => b.endTime - b.startTime - (a.endTime - a.startTime))
  for (const { path, startTime, endTime } of byTime.slice(0, longestFiles)) {
    console.log(`     ${((endTime - startTime) / 1000).toFixed(1).padStart(6)} s ${path}`)
  }
}

/** Fetches what the VM tests boot: QEMU and the kernel of Debian 12, and the newest that there are. */
async function provisionForTests() {
  const own = await lowerdir('setup', '--suite', 'bookworm')
  if (own.code !== 0) return own
  const newest = await lowerdir('setup', '--suite', 'sid', '--only', 'qemu', '--only', 'kernel')
  if (newest.code === 0) await tellWhatRunTakes()
  return newest
}

/** Tests of `lowerdir run` boot what it chooses by itself. Others say what they boot. */
async function tellWhatRunTakes() {
  const { output } = await lowerdir('doctor')
  console.log(output.match(/^(QEMU|kernel|accelerator|transport) .*$/gm)?.join('\n') ?? output)
}

function lowerdir(...args) {
  return run(process.execPath, ['dist/cli/main.js', ...args], { capture: true })
}

function tool(name, ...args) {
  return runTool(name, args, { capture: true })
}

/** The tests, their output as it comes, their results from Vitest's report. */
async function runTests() {
  const folder = mkdtempSync(join(tmpdir(), 'lowerdir-check-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const reportFile = join(folder, 'vitest.json')
  process.env.LOWERDIR_FUZZ_SECONDS ??= fuzzSeconds
  const { code } = await runTool('vitest', [
    'run',
    ...projects.map((project) => `--project=${project}`),
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${reportFile}`,
    ...files,
  ])
  const report = read(reportFile)
  if (!report) return fail(`Vitest ended with ${code} and without a report.`)

  printTestTimes(report.testResults)
  const tests = report.testResults.flatMap((file) => file.assertionResults)
  const skips = tests.filter(wasSkipped)
  const failedBefore = total.failed
  total.passed += tests.filter(hasPassed).length
  total.failed += tests.filter(hasFailed).length
  total.skipped += skips.length
  for (const { name, status, assertionResults } of report.testResults) {
    if (status === 'failed' && !assertionResults.some(hasFailed)) {
      fail(`${name} failed outside of its tests.`)
    }
  }
  if (skips.length > 0 && isCI) {
    const names = skips.map((test) => `  ${test.fullName}`)
    fail(['In CI nothing may be skipped, but these tests were:', ...names].join('\n'))
  }
  if (total.failed > failedBefore) return
  if (tests.length === skips.length) fail('Not one test has run.')
  else if (code !== 0) fail(`Vitest ended with ${code}, though no test has failed.`)
}

function hasPassed(test) {
  return test.status === 'passed'
}

function wasSkipped(test) {
  return test.status === 'skipped' || test.status === 'todo'
}

/** Also one that is still pending: its process died. */
function hasFailed(test) {
  return !hasPassed(test) && !wasSkipped(test)
}

function read(reportFile) {
  try {
    return JSON.parse(readFileSync(reportFile, 'utf8'))
  } catch {
    return undefined
  }
}

function fail(reason) {
  total.failed += 1
  console.log(reason.trimEnd().replaceAll(/^/gm, '     '))
}
