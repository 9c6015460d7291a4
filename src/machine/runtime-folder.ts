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
import { isSystemError } from '../util/error.ts'
import { startReaper } from './reaper.ts'

/** The longest path of a folder in bytes: a unix socket's path has at most 107 (unix(7)), with the longest name used here. */
const ROOM = 107 - '/export00.sock'.length

/**
 * A private folder for the sockets and files of one machine. A file in it names the process that owns it: when that process
 * is killed, its reaper removes the folder, or the next process that makes one does.
 */
export class RuntimeFolder implements Disposable {
  readonly path: string
  #kept = false

  private constructor(path: string) {
    this.path = path
  }

  /** Makes one. Removes those that dead processes of this user have left first. */
  static create(): RuntimeFolder {
    const parent = join(base(), `lowerdir-${process.getuid?.() ?? 0}`)
    mkdirSync(parent, { recursive: true, mode: 0o700 })
    // In /tmp another user may have made it first.
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

  /** Notes a child process that must not outlive this one. */
  adopt(pid: number): void {
    writeFileSync(this.file('child'), processIdentity(pid) ?? '')
  }

  /** Leaves the folder where it is when this is disposed of. */
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
  return runtime !== undefined && isOurs(runtime) ? runtime : tmpdir()
}

/** Whether there is such a directory, and this user owns it. */
function isOurs(path: string): boolean {
  try {
    return statSync(path).uid === process.getuid?.()
  } catch (error) {
    if (isSystemError(error)) return false
    throw error
  }
}

/** Removes the folders of dead owners, and kills the children that they have left. */
function sweep(parent: string): void {
  for (const name of readdirSync(parent)) {
    const folder = join(parent, name)
    const owner = readOptional(join(folder, 'owner'))
    // A folder without an owner is kept on purpose, or another process makes it at this moment.
    if (owner === undefined || owner === '' || isAlive(owner)) continue
    const child = readOptional(join(folder, 'child'))
    if (child !== undefined && isAlive(child)) process.kill(Number.parseInt(child, 10), 'SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
}

function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (isSystemError(error)) return undefined
    throw error
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
