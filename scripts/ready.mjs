// Makes a clone ready to run: checks the machine, installs the dependencies, builds dist/. Fast and silent
// when there is nothing to do. It uses nothing but Node, since node_modules may be missing.

import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run, runTool } from './child.mjs'

const oldestNode = { major: 20, minor: 19 }
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const buildNotes = 'dist/.tsbuildinfo'

/** Makes everything ready and changes to the root of the clone; ends the process if that fails. */
export async function ready() {
  await install()
  const { code, output } = await build()
  if (code !== 0) giveUp(`${output}\nsrc/ does not compile.`)
}

/** Checks the machine, and installs the packages of package-lock.json into node_modules. */
export async function install() {
  process.chdir(root)
  if (process.platform !== 'linux') {
    giveUp(
      `lowerdir needs Linux, because it uses Linux's own system calls; this is ${process.platform}.`,
    )
  }
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < oldestNode.major || (major === oldestNode.major && minor < oldestNode.minor)) {
    const wanted = `${oldestNode.major}.${oldestNode.minor}`
    giveUp(`lowerdir needs Node ${wanted} or newer; this is ${process.versions.node}.`)
  }
  if (isInstalled()) return

  say('installing dependencies')
  // Not `npm ci`: it fails if the registry lacks a package of another platform. `npm install` follows the
  // lock file as well. Without scripts, because the only one is the build, which comes next.
  const { code, output } = await run(
    'npm',
    ['install', '--no-save', '--ignore-scripts', '--include=dev', '--include=optional'],
    { capture: true },
  )
  if (code !== 0) giveUp(`${output}\nThe dependencies could not be installed.`)
}

/**
 * Compiles src/ to dist/ and returns the output of tsc. tsc does not look at dist/: it keeps the output of a
 * source that was removed, and does not notice if a file of dist/ was deleted. So if the two folders have
 * different modules, this removes dist/ and compiles again.
 */
export async function build() {
  const before = timeOf(buildNotes)
  let result = await compile()
  const kinds = [
    ['.ts', '.js'],
    ['.cts', '.cjs'],
  ]
  if (kinds.some(([source, made]) => modules('src', source) !== modules('dist', made))) {
    say('dist/ has other modules than src/, making it anew')
    rmSync('dist', { recursive: true, force: true })
    result = await compile()
  }
  if (timeOf(buildNotes) !== before) say('built dist/')
  return result
}

/** Compiles the code for Node, and then, with other globals, the report's code for browsers. */
async function compile() {
  let result
  for (const project of ['tsconfig.build.json', 'src/report/browser']) {
    result = await runTool('tsc', ['-p', project], { capture: true })
    if (result.code !== 0) break
  }
  return result
}

/** Whether npm's record of node_modules has all packages of the lock file, except optional ones. */
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
    .toSorted((a, b) => (a < b ? -1 : 1))
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
