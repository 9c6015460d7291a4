// Runs the child processes of these scripts. Each child leads a process group of its own, so that ending a
// script, with Ctrl-C or with kill, also ends everything that its children have started.

import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

/** How long interrupted groups may clean up before they are killed, in milliseconds. */
const graceMs = 10_000

/** The groups that run now, each by the id of the process that leads it. */
const groups = new Set()

/** The signal that told this script to end. */
let interruption

/**
 * Runs a program to its end. Its output goes to this script's output, or with `capture` into the result.
 * The code of a program that a signal ended is 128 + the signal's number, and 127 if it cannot be started.
 * After `limitMs` milliseconds its whole group is killed.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ capture?: boolean, cwd?: string, limitMs?: number }} [options]
 * @returns {Promise<{ code: number, output: string }>}
 */
export async function run(command, args, { capture = false, cwd, limitMs } = {}) {
  const out = capture ? 'pipe' : 'inherit'
  const child = spawn(command, args, { cwd, detached: true, stdio: ['ignore', out, out] })
  if (child.pid) groups.add(child.pid)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text) => (output += text))
  }
  const { pid } = child
  const timer = pid && limitMs && setTimeout(() => send(pid, 'SIGKILL'), limitMs)
  const code = await new Promise((resolve) => {
    child.once('close', (status, signal) => resolve(status ?? 128 + constants.signals[signal]))
    child.once('error', (error) => {
      output += `${error.message}\n`
      resolve(127)
    })
  })
  if (timer) clearTimeout(timer)
  if (interruption) await end()
  groups.delete(child.pid)
  return { code, output }
}

/** Runs a tool of node_modules with the same Node that runs this script. */
export function runTool(name, args, options) {
  return run(process.execPath, [`node_modules/.bin/${name}`, ...args], options)
}

/** Passes a signal on, once: npm sends this script again what the terminal has sent to both. */
function interrupt(signal) {
  if (interruption) return
  interruption = signal
  for (const group of groups) send(group, signal)
  if (groups.size === 0) exit()
  setTimeout(exit, graceMs)
}

/** Ends this script when all groups are empty, since processes can outlive the leader of their group. */
async function end() {
  while ([...groups].some((group) => send(group, 0))) await sleep(50)
  exit()
}

function exit() {
  process.exit(128 + constants.signals[interruption])
}

/** Sends a signal to a group. Returns whether the group has a process that received it. */
function send(group, signal) {
  try {
    return process.kill(-group, signal)
  } catch (error) {
    // The group is empty, or what is left of it has changed its user.
    if (error.code !== 'ESRCH' && error.code !== 'EPERM') throw error
    return false
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, interrupt)
process.once('exit', () => groups.forEach((group) => send(group, 'SIGKILL')))
