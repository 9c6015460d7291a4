import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import { built } from './ordinary-user.ts'

const run = promisify(execFile)

/** The path of a built module, for require(). */
function path(module: string): string {
  return fileURLToPath(built(module))
}

/** What a process that has entered the sandbox tries to do. Each answers with what came of it. */
const script = `
const fs = require('node:fs')
const { join } = require('node:path')
const { execFileSync } = require('node:child_process')
const { exported, outside, readOnly } = JSON.parse(process.argv[1])

function main() {
  const { enterSandbox } = require('${path('server/sandbox.js')}')
  const { openat } = require('${path('sys/files.js')}')
  const { call } = require('${path('sys/ffi.js')}')
  const sockets = require('${path('sys/sockets.js')}')
  const { createEventfd, closeEventfd } = require('${path('sys/eventfd.js')}')
  const execve = call('int', 'execve', 'pointer', 'pointer', 'pointer')
  const mount = call('int', 'mount', 'pointer', 'pointer', 'pointer', 'size', 'pointer')
  const ptrace = call('long', 'ptrace', 'size', 'int', 'pointer', 'pointer')
  const unshare = call('int', 'unshare', 'int')
  const syscall = call('int', 'syscall', 'size', 'size', 'pointer', 'pointer', 'pointer', 'pointer')
  const { systemCalls } = require('${path('sys/system-calls.js')}')
  const kill = call('int', 'kill', 'int', 'int')

  const root = openat(-100, exported, fs.constants.O_DIRECTORY)
  const log = enterSandbox('auto', [{ descriptor: root, readOnly }])

  const inside = (name) => join(exported, name)
  const attempts = {
    'read outside': () => fs.readFileSync(join(outside, 'file')),
    'read /etc/passwd': () => fs.readFileSync('/etc/passwd'),
    'read /proc/self/environ': () => fs.readFileSync('/proc/self/environ'),
    'read outside through ..': () => fs.readFileSync(inside('../outside/file')),
    'read outside through a symlink': () => fs.readFileSync(inside('way-out')),
    'list /': () => fs.readdirSync('/'),
    'write outside': () => fs.writeFileSync(join(outside, 'file'), 'changed'),
    'create outside': () => fs.writeFileSync(join(outside, 'new'), ''),
    'mkdir outside': () => fs.mkdirSync(join(outside, 'new')),
    'unlink outside': () => fs.unlinkSync(join(outside, 'file')),
    'move in': () => fs.renameSync(join(outside, 'file'), inside('stolen')),
    'move out': () => fs.renameSync(inside('file'), join(outside, 'moved')),
    'link in': () => fs.linkSync(join(outside, 'file'), inside('linked')),
    'execute': () => execve(0, 0, 0),
    'run a program': () => execFileSync('/bin/true'),
    // CLONE_SIGHAND alone is EINVAL, so nothing is forked if this comes through.
    'fork': () => syscall(systemCalls.clone[process.arch], 0x800, 0, 0, 0, 0),
    'connect': () => sockets.connectUnix('/run/nothing'),
    'listen': () => sockets.listenTcp('127.0.0.1', 0),
    'mount': () => mount(0, 0, 0, 0, 0),
    'ptrace': () => ptrace(0, 0, 0, 0),
    'unshare': () => unshare(0x200),
    'signal itself': () => kill(process.pid, 0),

    'read inside': () => fs.readFileSync(inside('file')),
    'list inside': () => fs.readdirSync(exported),
    'write inside': () => fs.writeFileSync(inside('file'), 'changed'),
    'create inside': () => fs.writeFileSync(inside('new'), ''),
    'mkdir inside': () => fs.mkdirSync(inside('made')),
    'chmod inside': () => fs.chmodSync(inside('file'), 0o600),
    'utimes inside': () => fs.utimesSync(inside('file'), 1, 1),
    'truncate inside': () => fs.truncateSync(inside('file'), 1),
    'link inside': () => fs.linkSync(inside('file'), inside('directory/linked')),
    'move inside': () => fs.renameSync(inside('directory/linked'), inside('moved')),
    'unlink inside': () => fs.unlinkSync(inside('moved')),

    'allocate': () => new Array(300_000).fill(0).map((_, i) => ({ i })).length,
    'make an eventfd': () => closeEventfd(createEventfd()),
  }
  const answers = {}
  for (const [name, attempt] of Object.entries(attempts)) {
    try {
      attempt()
      answers[name] = 'done'
    } catch (error) {
      answers[name] = error.code ?? String(error)
    }
  }
  console.log(JSON.stringify({ log, answers }))
}
main()
`

/** What a process tells that tried to leave the sandbox. */
export interface Escape {
  readonly log: string
  /** `done`, or the errno's name. */
  readonly answers: Readonly<Record<string, string>>
}

/** Lets a process enter the sandbox of an engine and try what it can. */
export async function tryToEscape(
  exported: string,
  outside: string,
  readOnly: boolean,
): Promise<Escape> {
  const values = JSON.stringify({ exported, outside, readOnly })
  const { stdout } = await run(process.execPath, ['--eval', script, values])
  return JSON.parse(stdout) as Escape
}
