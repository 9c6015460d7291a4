// Makes a clone ready to run: the right machine, the dependencies, an up-to-date dist/. Quick and
// silent when there is nothing to do. Needs Node alone, since node_modules may be missing.

import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run, runTool } from './child.mjs'

const oldestNode = { major: 20, minor: 19 }
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const buildNotes = 'dist/.tsbuildinfo'

/** Returns when all is in place, with the working directory at the root, or ends the process. */
export async function ready() {
  await install()
  const { code, output } = await build()
  if (code !== 0) giveUp(`${output}\nsrc/ does not compile.`)
}

/** Checks the machine and brings node_modules to the state that package-lock.json asks for. */
export async function install() {
  process.chdir(root)
  if (process.platform !== 'linux') {
    giveUp(`lowerdir is made of Linux's own system calls; this is ${process.platform}.`)
  }
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < oldestNode.major || (major === oldestNode.major && minor < oldestNode.minor)) {
    const wanted = `${oldestNode.major}.${oldestNode.minor}`
    giveUp(`lowerdir needs Node ${wanted} or newer; this is ${process.versions.node}.`)
  }
  if (isInstalled()) return

  say('installing dependencies')
  // Not `npm ci`: it insists that the registry has the packages of all other platforms, too. This
  // keeps to the lock file as well. Without scripts, since ours builds, which comes next anyway.
  const { code, output } = await run(
    'npm',
    ['install', '--no-save', '--ignore-scripts', '--include=dev', '--include=optional'],
    { capture: true },
  )
  if (code !== 0) giveUp(`${output}\nThe dependencies could not be installed.`)
}

/**
 * Compiles src/ to dist/ and answers what tsc said. tsc itself never looks at dist/: it leaves what
 * was made of a source that is gone, and it does not miss a file that was deleted. So where the two
 * folders disagree, dist/ is made from nothing.
 */
export async function build() {
  const before = timeOf(buildNotes)
  let result = await compile()
  if (modules('src', '.ts') !== modules('dist', '.js')) {
    say('dist/ has other modules than src/, making it anew')
    rmSync('dist', { recursive: true, force: true })
    result = await compile()
  }
  if (timeOf(buildNotes) !== before) say('built dist/')
  return result
}

/** Compiles what runs in Node and then, with other globals, what the report runs in a browser. */
async function compile() {
  let result
  for (const project of ['tsconfig.build.json', 'src/report/browser']) {
    result = await runTool('tsc', ['-p', project], { capture: true })
    if (result.code !== 0) break
  }
  return result
}

/** Whether npm's record of node_modules has what the lock file has; optional ones may be missing. */
function isInstalled() {
  const present = packages('node_modules/.package-lock.json')
  return Object.entries(packages('package-lock.json')).every(([path, { version, optional }]) =>
    path in present ? present[path].version === version : path === '' || optional,
  )
}

function packages(lockFile) {
  return existsSync(lockFile) ? JSON.parse(readFileSync(lockFile, 'utf8')).packages : {}
}

/** The modules in a folder, as one text to compare. */
function modules(folder, ending) {
  if (!existsSync(folder)) return ''
  return readdirSync(folder, { recursive: true })
    .filter((path) => path.endsWith(ending) && !path.endsWith('.d.ts'))
    .map((path) => path.slice(0, -ending.length))
    .toSorted()
    .join('\n')
}

function timeOf(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs
}

function say(line) {
  console.log(`ready: ${line}`)
}

function giveUp(reason) {
  console.error(reason)
  process.exit(1)
}
