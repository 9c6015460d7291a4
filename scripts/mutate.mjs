// Mutation testing: changes one thing at a time in the built server and runs the tests of its room, of which one
// has to fail. Prints the mutants that survive, and the score. docs/tests.md says more.
//
//   npm run mutate -- src/tree/host/lock-ranges.ts     all mutants of a file
//   npm run mutate -- --sample 200 --seed 7            200 mutants, drawn from all that faces a guest

import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { SourceMap } from 'node:module'
import { availableParallelism, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
// Its successor belongs to a package that is not ours to import.
import { parseAst } from 'vitest/node'
import { runTool } from './child.mjs'
import { mutantsOf } from './mutants.mjs'
import { ready } from './ready.mjs'

/** The rooms that read what a guest sends, each with the folders of its tests. The first folder is tried first. */
const rooms = {
  'src/9p': ['test/9p', 'test/server', 'test/conformance'],
  'src/fuse': ['test/fuse'],
  'src/server': ['test/server', 'test/attack', 'test/transport'],
  'src/transport': ['test/transport', 'test/server'],
  'src/tree': ['test/tree', 'test/9p', 'test/conformance', 'test/security', 'test/server'],
}

/** A mutant whose tests take longer than this loops for ever. */
const limitMs = 120_000

const { values, positionals } = parseArgs({
  options: { sample: { type: 'string', default: '0' }, seed: { type: 'string', default: '1' } },
  allowPositionals: true,
})
const [sample, seed] = [values.sample, values.seed].map(Number)
if (!Number.isSafeInteger(sample) || !Number.isSafeInteger(seed)) {
  console.error('--sample and --seed are whole numbers.')
  process.exit(1)
}

await ready()
const files = positionals.length > 0 ? positionals : Object.keys(rooms).flatMap(sourcesIn)
const all = files.flatMap((file) => mutantsIn(file))
const chosen = sample > 0 ? drawn(all, sample, seed) : all
console.log(`${all.length} mutants in ${files.length} files; ${chosen.length} are tried.`)

const workers = Math.min(availableParallelism(), chosen.length)
const copies = Array.from({ length: workers }, copyProject)
process.once('exit', () => copies.forEach((copy) => rmSync(copy, { recursive: true, force: true })))

/** The tests that were seen to pass without a mutant, by their copy. */
const passed = new Set()
const survivors = []
const queue = [...chosen]
let tried = 0
await Promise.all(copies.map(work))

console.log()
for (const { place, what } of survivors.toSorted((a, b) => (a.place < b.place ? -1 : 1))) {
  console.log(`survived  ${place}  ${what}`)
}
const killed = chosen.length - survivors.length
console.log(
  `\n${killed} of ${chosen.length} killed: ${((100 * killed) / chosen.length).toFixed(1)} %`,
)

async function work(copy) {
  for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
    const isKilled = await isNoticed(copy, mutant)
    if (!isKilled) survivors.push(mutant)
    tried += 1
    console.log(
      `${String(tried).padStart(4)} ${isKilled ? 'killed  ' : 'SURVIVED'} ${mutant.place}  ${mutant.what}`,
    )
  }
}

/** Whether a test fails with the mutant. The tests that are called as its file come first: most mutants die there. */
async function isNoticed(copy, { source, built, text }) {
  for (const tests of testsFor(source)) await haveToPass(copy, tests)
  const file = join(copy, built)
  const original = readFileSync(file)
  writeFileSync(file, text)
  try {
    for (const tests of testsFor(source)) if (!(await pass(copy, tests))) return true
    return false
  } finally {
    writeFileSync(file, original)
  }
}

/** Tests that fail without a mutant would kill every one. */
async function haveToPass(copy, tests) {
  const key = `${copy} ${tests.join(' ')}`
  if (passed.has(key)) return
  if (!(await pass(copy, tests))) {
    console.error(`Without any mutant these tests fail: ${tests.join(' ')}`)
    process.exit(1)
  }
  passed.add(key)
}

/** Lists of test files, to be run one list after the other. */
function testsFor(source) {
  const [, folders] = Object.entries(rooms).find(([room]) => source.startsWith(`${room}/`)) ?? []
  if (folders === undefined) throw new Error(`${source} is in no room of scripts/mutate.mjs`)
  const name = basename(source, '.ts')
  const own = folders.flatMap((folder) => filesIn(folder, `/${name}.test.ts`))
  return [own, ...folders.map((folder) => filesIn(folder, '.test.ts'))].filter(
    (list) => list.length > 0,
  )
}

/** Whether tests pass in a copy of the project. */
async function pass(copy, tests) {
  const args = ['run', '--project=unit', '--bail=1', '--reporter=dot', ...tests]
  return (await runTool('vitest', args, { capture: true, cwd: copy, limitMs })).code === 0
}

function mutantsIn(source) {
  const built = source.replace(/^src/, 'dist').replace(/\.ts$/, '.js')
  if (!existsSync(built)) return []
  const code = readFileSync(built, 'utf8')
  const map = new SourceMap(JSON.parse(readFileSync(`${built}.map`, 'utf8')))
  // oxlint-disable-next-line typescript/no-deprecated
  return mutantsOf(code, parseAst(code)).map(({ start, end, replacement }) => {
    const before = code.slice(0, start).split('\n')
    const { originalLine = 0 } = map.findEntry(before.length - 1, before.at(-1).length)
    const was = code.slice(start, end).replaceAll(/\s+/g, ' ')
    return {
      source,
      built,
      place: `${source}:${originalLine + 1}`,
      what: `${shortened(was)} → ${shortened(replacement)}`,
      text: code.slice(0, start) + replacement + code.slice(end),
    }
  })
}

function shortened(text) {
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`
}

/** `count` of the items, the same for the same seed. */
function drawn(items, count, start) {
  // Numerical Recipes' linear congruential generator.
  let state = start >>> 0
  const next = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0)
  const keyed = items.map((item) => [next(), item]).toSorted(([a], [b]) => a - b)
  return keyed.slice(0, count).map(([, item]) => item)
}

/** A copy whose dist/ can be changed. Vitest takes the tests' real paths, so links will not do for those. */
function copyProject() {
  const copy = mkdtempSync(join(tmpdir(), 'lowerdir-mutate-'))
  // Tests run programs of it as other users, too.
  chmodSync(copy, 0o755)
  for (const name of readdirSync('.')) {
    if (name === 'node_modules' || name.startsWith('.')) continue
    cpSync(name, join(copy, name), { recursive: true })
  }
  symlinkSync(join(process.cwd(), 'node_modules'), join(copy, 'node_modules'))
  return copy
}

function sourcesIn(room) {
  return filesIn(room, '.ts')
}

function filesIn(folder, end) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && `/${entry.name}`.endsWith(end))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted()
}
