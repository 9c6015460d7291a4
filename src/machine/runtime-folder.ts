import {
  type Stats,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { discard } from '../sys/files.ts'
import { openProcess, signalProcess } from '../sys/pidfd.ts'
import { isSystemError } from '../util/error.ts'
import { pidOf, processIdentity, processState } from '../util/process-identity.ts'
import { CHILD, OWNER, RUNTIME_PREFIX, startReaper } from './reaper.ts'

/** The longest path of a folder in bytes: a unix socket's path has at most 107 (unix(7)), with the longest name used here. */
const ROOM = 107 - '/export00.sock'.length

/** More bytes than an identity has. */
const IDENTITY_BYTES = 100

const ALL_WRITE = 0o002
const STICKY = 0o1000
const OTHERS = 0o077

const SIGKILL = 9

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants

/**
 * A private folder for the sockets and files of one machine. A file in it names the process that owns it: when that process
 * is killed, its reaper removes the folder, or the next process that makes one does.
 *
 * Its parent may be in /tmp, where other users make what they like under the same name. So the parent, each folder in it, and
 * each file of those is used only if it is this user's, and no symbolic link.
 */
export class RuntimeFolder implements Disposable {
  readonly path: string
  #kept = false

  private constructor(path: string) {
    this.path = path
  }

  /**
   * Makes one. Removes those that dead processes of this user have left first.
   *
   * @throws Error that says what to do where the parent is not this user's alone.
   */
  static create(): RuntimeFolder {
    const parent = ownFolder(join(base(), `lowerdir-${process.getuid?.() ?? 0}`))
    sweep(parent)
    const owner = processIdentity(process.pid) ?? ''
    startReaper(parent, owner)
    const path = mkdtempSync(join(parent, RUNTIME_PREFIX))
    if (Buffer.byteLength(path) > ROOM) {
      rmSync(path, { recursive: true })
      throw new Error(`${path} is too long for a socket's path. Set TMPDIR to a shorter one.`)
    }
    writeFileSync(join(path, OWNER), owner, { flag: 'wx', mode: 0o600 })
    return new RuntimeFolder(path)
  }

  /** The path of a file in it. */
  file(name: string): string {
    return join(this.path, name)
  }

  /** Notes a child process that must not outlive this one. */
  adopt(pid: number): void {
    writeFileSync(this.file(CHILD), processIdentity(pid) ?? '', { mode: 0o600 })
  }

  /** Leaves the folder where it is when this is disposed of. */
  keep(): void {
    this.#kept = true
    rmSync(this.file(OWNER), { force: true })
  }

  [Symbol.dispose](): void {
    if (!this.#kept) rmSync(this.path, { recursive: true, force: true })
  }
}

/** `$XDG_RUNTIME_DIR` if that is what it has to be (XDG base directory specification), else the folder for temporary files. */
function base(): string {
  const { XDG_RUNTIME_DIR: runtime } = process.env
  if (runtime !== undefined && isPrivate(runtime)) return runtime
  const temporary = tmpdir()
  mkdirSync(temporary, { recursive: true, mode: 0o700 })
  const { uid, mode } = statSync(temporary)
  // Whoever may rename the parent of our folders, such as the owner of this one, can put another one in its place.
  const isSafe = (mode & STICKY) !== 0 || ((isOwn(uid) || uid === 0) && (mode & ALL_WRITE) === 0)
  if (isSafe) return temporary
  throw new Error(
    `In ${temporary} other users can replace this user's files. Set TMPDIR to a folder of your own, or one like /tmp (mode 1777).`,
  )
}

/** Whether there is such a directory, and it is this user's alone. */
function isPrivate(path: string): boolean {
  try {
    const stats = statSync(path)
    return stats.isDirectory() && isOwn(stats.uid) && (stats.mode & OTHERS) === 0
  } catch (error) {
    if (isSystemError(error)) return false
    throw error
  }
}

/** Makes a folder for this user alone, unless there is one. @throws Error where its place is taken. */
function ownFolder(path: string): string {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if (!isSystemError(error, 'EEXIST')) throw error
  }
  const advice = 'Remove it, or set TMPDIR to a folder of your own.'
  let descriptor
  try {
    descriptor = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  } catch (error) {
    if (isSystemError(error, 'EACCES')) {
      throw new Error(`${path} belongs to another user. ${advice}`, { cause: error })
    }
    if (!isSystemError(error, 'ELOOP', 'ENOTDIR')) throw error
    throw new Error(`${path} is no folder, or a symbolic link. ${advice}`, { cause: error })
  }
  try {
    const { uid, mode } = fstatSync(descriptor)
    if (!isOwn(uid)) throw new Error(`${path} belongs to another user (uid ${uid}). ${advice}`)
    if ((mode & OTHERS) !== 0) fchmodSync(descriptor, 0o700)
  } finally {
    closeSync(descriptor)
  }
  // From now on no other user can replace it, or anything in it: see base().
  return path
}

/** Removes the folders of dead owners, and kills the children that they have left. */
function sweep(parent: string): void {
  for (const name of readdirSync(parent)) {
    const folder = join(parent, name)
    if (!name.startsWith(RUNTIME_PREFIX) || !isOwnFolder(folder)) continue
    const owner = readIdentity(join(folder, OWNER))
    // A folder without an owner is kept on purpose, or another process makes it at this moment. One of another container
    // has an owner that is not seen from here.
    if (owner === undefined || processState(owner) !== 'dead') continue
    const child = readIdentity(join(folder, CHILD))
    if (child !== undefined) kill(child)
    rmSync(folder, { recursive: true, force: true })
  }
}

function isOwnFolder(path: string): boolean {
  let stats: Stats | undefined
  try {
    stats = lstatSync(path)
  } catch (error) {
    // Its owner has just removed it.
    if (!isSystemError(error, 'ENOENT')) throw error
  }
  return stats !== undefined && stats.isDirectory() && isOwn(stats.uid)
}

/** Reads an identity from a file of this user's. Undefined where there is none, or something else. */
function readIdentity(path: string): string | undefined {
  let descriptor: number
  try {
    descriptor = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  } catch (error) {
    if (isSystemError(error)) return undefined
    throw error
  }
  try {
    const stats = fstatSync(descriptor)
    if (!stats.isFile() || !isOwn(stats.uid) || stats.size > IDENTITY_BYTES) return undefined
    return readFileSync(descriptor, 'utf8')
  } finally {
    closeSync(descriptor)
  }
}

/** Kills a process if it is still the one with this identity: not one that has got its pid since. */
function kill(identity: string): void {
  const pid = pidOf(identity)
  let descriptor: number
  try {
    descriptor = openProcess(pid)
  } catch (error) {
    // EPERM and ENOSYS where a container's filter does not know the call.
    if (!isSystemError(error)) throw error
    if (error.code !== 'ESRCH' && processState(identity) === 'alive') process.kill(pid, 'SIGKILL')
    return
  }
  try {
    // The descriptor was opened before: if the identity is right now, it was right then.
    if (processState(identity) === 'alive') signalProcess(descriptor, SIGKILL)
  } catch (error) {
    if (!isSystemError(error, 'ESRCH')) throw error
  } finally {
    discard(descriptor)
  }
}

function isOwn(uid: number): boolean {
  return uid === process.getuid?.()
}
