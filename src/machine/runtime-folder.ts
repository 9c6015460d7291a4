import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startReaper } from './reaper.ts'

/** Longest path of a unix socket in bytes (unix(7)), less the longest name that is put here. */
const ROOM = 107 - '/export00.sock'.length

/**
 * A private folder for the sockets and files of one machine. It says whose it is: what a process leaves
 * behind that was killed is cleaned up by its reaper, or by the next one.
 */
export class RuntimeFolder implements Disposable {
  readonly path: string
  #kept = false

  private constructor(path: string) {
    this.path = path
  }

  /** Makes one, after what dead processes of this user have left is gone. */
  static create(): RuntimeFolder {
    const parent = join(base(), `lowerdir-${process.getuid?.() ?? 0}`)
    mkdirSync(parent, { recursive: true, mode: 0o700 })
    // In a shared folder somebody else may have made it first.
    if (statSync(parent).uid !== process.getuid?.()) {
      throw new Error(`${parent} belongs to another user. Set TMPDIR to a folder of your own.`)
    }
    chmodSync(parent, 0o700)
    sweep(parent)
    const owner = processIdentity(process.pid) ?? ''
    startReaper(parent, owner)
    const path = mkdtempSync(join(parent, 'vm-'))
    if (Buffer.byteLength(path) > ROOM) {
      rmSync(path, { recursive: true })
      throw new Error(`${path} is too long for a socket's path. Set TMPDIR to a shorter one.`)
    }
    writeFileSync(join(path, 'owner'), owner)
    return new RuntimeFolder(path)
  }

  /** The path of a file in it. */
  file(name: string): string {
    return join(this.path, name)
  }

  /** Notes a process that must not outlive this one. */
  adopt(pid: number): void {
    writeFileSync(this.file('child'), processIdentity(pid) ?? '')
  }

  /** Leaves it where it is, for somebody to look at. */
  keep(): void {
    this.#kept = true
    rmSync(this.file('owner'), { force: true })
  }

  [Symbol.dispose](): void {
    if (!this.#kept) rmSync(this.path, { recursive: true, force: true })
  }
}

function base(): string {
  const { XDG_RUNTIME_DIR: runtime } = process.env
  return runtime !== undefined && isWritable(runtime) ? runtime : tmpdir()
}

function isWritable(path: string): boolean {
  try {
    return statSync(path).uid === process.getuid?.()
  } catch {
    return false
  }
}

/** Removes the folders whose owner is dead, and ends what it left running. */
function sweep(parent: string): void {
  for (const name of readdirSync(parent)) {
    const folder = join(parent, name)
    const owner = readOptional(join(folder, 'owner'))
    // Without an owner it is kept on purpose, or being made at this moment.
    if (owner === undefined || owner === '' || isAlive(owner)) continue
    const child = readOptional(join(folder, 'child'))
    if (child !== undefined && isAlive(child)) process.kill(Number.parseInt(child, 10), 'SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
}

function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function isAlive(identity: string): boolean {
  return processIdentity(Number.parseInt(identity, 10)) === identity
}

/**
 * The process id and the time it was started (field 22 of proc(5)'s stat, in clock ticks since boot):
 * process ids are used again. Undefined when there is no such process.
 */
function processIdentity(pid: number): string | undefined {
  const stat = readOptional(`/proc/${pid}/stat`)
  // The second field is a name in parentheses that may contain anything.
  const started = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  return started === undefined ? undefined : `${pid} ${started}`
}
