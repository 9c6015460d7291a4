import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  type Stats,
  chmodSync,
  closeSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll } from 'vitest'
import { ErrnoError } from '../../src/sys/errno.ts'
import { setOfdLock } from '../../src/sys/locks.ts'
import { memoryFolder } from '../support/memory-folder.ts'

/** Bytes that lie outside of the export, and must never be seen inside of a reply. */
export const CANARY = 'canary: this was outside'
/** The name of such a file must not be seen either. */
export const CANARY_NAME = 'outside-only'

const LONG = 'x'.repeat(255)

/** The names that the export begins with, by directory. */
export const startingNames: Readonly<Record<string, readonly string[]>> = {
  '': ['dir', 'file', 'empty', 'big', 'fifo', 'closed', 'setuid', 'twin', '\xff\xfe', LONG].concat([
    'to-file',
    'to-dir',
    'to-outside',
    'to-secret',
    'to-root',
    'to-far',
    'loop',
  ]),
  dir: ['inner', 'a', 'b', 'up'],
  'dir/inner': ['deep'],
}

/** The actions of the host between two messages. */
export type HostAction =
  | 'link-out'
  | 'link-out-file'
  | 'remove'
  | 'rename'
  | 'move-out'
  | 'fifo'
  | 'file'
  | 'directory'
  | 'append'
  | 'close'
  | 'grow'
  | 'lock'

export const hostActions: readonly HostAction[] = [
  'link-out',
  'link-out-file',
  'remove',
  'rename',
  'move-out',
  'fifo',
  'file',
  'directory',
  'append',
  'close',
  'grow',
  'lock',
]

const ancient = new Date(1e12)

/** A directory to be exported, and beside it files that no client may ever reach. */
export class World {
  readonly inside: string
  /** Inodes of all that lies outside. */
  readonly outsideInodes: ReadonlySet<bigint>
  readonly #folder: string
  readonly #outside: string
  readonly #outsideBefore: string
  #insideBefore = ''
  /** Files on the host other than files and directories that the host has made, wherever they are now. */
  readonly #oddOfHost = new Set<number>()
  /** A file of which a program of the host has locked a part. */
  #locked: number | undefined
  #moved = 0

  constructor() {
    this.#folder = realpathSync(mkdtempSync(join(memoryFolder, 'lowerdir-fuzz-')))
    this.inside = join(this.#folder, 'inside')
    this.#outside = join(this.#folder, 'outside')
    mkdirSync(join(this.#folder, 'elsewhere'))
    mkdirSync(join(this.#outside, CANARY_NAME), { recursive: true })
    writeFileSync(join(this.#outside, 'secret'), CANARY)
    writeFileSync(join(this.#outside, CANARY_NAME, 'deep'), CANARY)
    this.#fill()
    // Long ago, so that every read changes the access time, with relatime too.
    for (const path of this.#outsidePaths())
      lutimesSync(path, ancient, new Date(ancient.getTime() + 1000))
    this.outsideInodes = new Set(
      [this.#folder, ...this.#outsidePaths()].map((path) => lstatSync(path, { bigint: true }).ino),
    )
    this.#outsideBefore = this.#outsideState()
  }

  #fill(): void {
    const at = (name: string): Buffer => Buffer.from(`${this.inside}/${name}`, 'latin1')
    mkdirSync(join(this.inside, 'dir', 'inner'), { recursive: true })
    writeFileSync(at('dir/inner/deep'), 'deep')
    writeFileSync(at('dir/a'), 'a'.repeat(5000))
    writeFileSync(at('dir/b'), 'b')
    symlinkSync('..', at('dir/up'))
    writeFileSync(at('file'), 'content of the file')
    linkSync(at('file'), at('twin'))
    writeFileSync(at('empty'), '')
    writeFileSync(at('big'), '')
    truncateSync(at('big'), 3 << 20)
    writeFileSync(at('closed'), 'closed')
    chmodSync(at('closed'), 0)
    writeFileSync(at('setuid'), 'setuid')
    chmodSync(at('setuid'), 0o6755)
    writeFileSync(at('\xff\xfe'), 'bytes')
    mkdirSync(at(LONG))
    symlinkSync('file', at('to-file'))
    symlinkSync('dir', at('to-dir'))
    symlinkSync('../outside', at('to-outside'))
    symlinkSync(join(this.#outside, 'secret'), at('to-secret'))
    symlinkSync('/', at('to-root'))
    symlinkSync('loop', at('loop'))
    // Hardly shorter than the smallest msize, in bytes.
    symlinkSync('far/'.repeat(1023), at('to-far'))
    linkSync(theFifo(), at('fifo'))
  }

  /** Carries out an action of the host if it is possible. `path` and `to` are inside of the export. */
  act(action: HostAction, path: string, to = ''): void {
    try {
      this.#act(action, join(this.inside, path), join(this.inside, to))
    } catch (error) {
      if (!(error instanceof Error && 'syscall' in error)) throw error
    }
  }

  #act(action: HostAction, at: string, to: string): void {
    // The action itself must not follow a symlink out of the export.
    if (!this.#isInside(at) || !this.#isInside(to)) return
    const away = (): string => join(this.#folder, 'elsewhere', `${this.#moved++}`)
    switch (action) {
      case 'link-out':
        renameSync(at, away())
        return symlinkSync(this.#outside, at)
      case 'link-out-file':
        renameSync(at, away())
        return symlinkSync(join(this.#outside, 'secret'), at)
      case 'remove':
        return rmSync(at, { recursive: true, force: true })
      case 'rename':
        return renameSync(at, to)
      case 'move-out':
        return renameSync(at, away())
      case 'fifo':
        renameSync(at, away())
        return linkSync(theFifo(), at)
      case 'file':
        renameSync(at, away())
        return writeFileSync(at, 'another file')
      case 'directory':
        renameSync(at, away())
        return mkdirSync(at)
      case 'append':
        if (lstatSync(at).isFile()) writeFileSync(at, 'more', { flag: 'a' })
        return undefined
      case 'close':
        if (!lstatSync(at).isSymbolicLink()) chmodSync(at, 0)
        return undefined
      case 'grow':
        if (lstatSync(at).isFile()) truncateSync(at, 1e9)
        return undefined
      case 'lock':
        if (this.#locked !== undefined) this.unlock()
        else if (lstatSync(at).isFile()) this.#lock(at)
        return undefined
    }
  }

  #lock(at: string): void {
    this.#locked = openSync(at, 'r+')
    try {
      // Guests may hold it already. A guest that waits for it gets it in the end.
      setOfdLock(this.#locked, 'write', { start: 0n, end: 2n })
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error
    }
  }

  /** The host's program gives back what it has locked. */
  unlock(): void {
    if (this.#locked !== undefined) closeSync(this.#locked)
    this.#locked = undefined
  }

  /** How many descriptors the host's program has open. */
  get descriptors(): number {
    return this.#locked === undefined ? 0 : 1
  }

  /** Whether all directories above `path` are directories, and no symlinks. */
  #isInside(path: string): boolean {
    const above = join(path, '..')
    return path === this.inside || realpathSync(above) === above
  }

  /** The difference outside of the export; undefined for none. */
  outsideChange(): string | undefined {
    const now = this.#outsideState()
    return now === this.#outsideBefore ? undefined : `${this.#outsideBefore}\nbecame\n${now}`
  }

  /** The same with the files' content. It is the last check, since reading changes access times. */
  canariesLive(): boolean {
    const files = [join(this.#outside, 'secret'), join(this.#outside, CANARY_NAME, 'deep')]
    return files.every((file) => readFileSync(file, 'latin1') === CANARY)
  }

  /** Remembers the export's state, for {@link insideChange}. */
  rememberInside(): void {
    this.#insideBefore = this.#insideState()
    for (const inode of this.#odd()) this.#oddOfHost.add(inode)
  }

  /** Whether there is a symlink, a FIFO, a socket or a device that the host has not made. */
  hasNewOddities(): boolean {
    return [...this.#odd()].some((inode) => !this.#oddOfHost.has(inode))
  }

  /** The difference inside since then; undefined for none. */
  insideChange(): string | undefined {
    const now = this.#insideState()
    return now === this.#insideBefore ? undefined : `${this.#insideBefore}\nbecame\n${now}`
  }

  remove(): void {
    this.unlock()
    openUp(this.#folder)
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #outsidePaths(): string[] {
    const paths = ['', 'secret', CANARY_NAME, `${CANARY_NAME}/deep`]
    return paths.map((path) => join(this.#outside, path))
  }

  #outsideState(): string {
    return this.#outsidePaths()
      .map((path) => stateOf(path, true))
      .join('\n')
  }

  /** Inodes of all files that are neither regular files nor directories. */
  #odd(): ReadonlySet<number> {
    const found = new Set<number>()
    this.#visit((stat) => {
      if (!stat.isFile() && !stat.isDirectory()) found.add(stat.ino)
    })
    return found
  }

  #insideState(): string {
    const lines: string[] = []
    this.#visit((stat, path) => {
      let more = ''
      if (stat.isSymbolicLink()) more = readlinkSync(path, 'latin1')
      // What is large is sparse.
      else if (stat.isFile() && stat.size < 1 << 16) more = contentHash(path)
      lines.push(`${path.toString('latin1')} ${stateOf(path, false)} ${more}`)
    })
    return lines.join('\n')
  }

  /** All files inside, in order, as far as an ordinary user may read them. */
  #visit(look: (stat: Stats, path: Buffer) => void): void {
    const visit = (path: Buffer): void => {
      const stat = statOf(path)
      if (stat === null) return
      look(stat, path)
      if (!stat.isDirectory()) return
      for (const name of namesIn(path)) visit(Buffer.concat([path, Buffer.from('/'), name]))
    }
    visit(Buffer.from(this.inside))
  }
}

/** All of lstat(2), without the access time of files that the harness itself reads. */
function stateOf(path: string | Buffer, withAccess: boolean): string {
  const stat = lstatSync(path, { bigint: true })
  const { ino, mode, uid, gid, nlink, size, mtimeNs, ctimeNs } = stat
  // The FIFO has names in other worlds, too.
  if (stat.isFIFO()) return `${ino} ${mode} fifo`
  const accessed = withAccess ? stat.atimeNs : 0
  return [ino, mode, uid, gid, nlink, size, mtimeNs, ctimeNs, accessed].join(' ')
}

/** null where an ordinary user may not look. */
function statOf(path: Buffer): Stats | null {
  try {
    return lstatSync(path)
  } catch {
    return null
  }
}

/** Sorted; none where an ordinary user may not look. */
function namesIn(directory: Buffer): Buffer[] {
  try {
    const names = readdirSync(directory, { encoding: 'buffer' })
    return names.toSorted((a, b) => Buffer.compare(a, b))
  } catch {
    return []
  }
}

function contentHash(path: Buffer): string {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex')
  } catch {
    // An ordinary user may not read it.
    return 'closed'
  }
}

/** Makes all files removable by their owner again. */
function openUp(directory: string | Buffer): void {
  chmodSync(directory, 0o700)
  for (const entry of readdirSync(directory, { encoding: 'buffer', withFileTypes: true })) {
    if (!entry.isDirectory()) continue
    openUp(Buffer.concat([Buffer.from(directory), Buffer.from('/'), entry.name]))
  }
}

let fifo: string | undefined

afterAll(() => {
  if (fifo !== undefined) rmSync(dirname(fifo), { recursive: true, force: true })
})

/** One FIFO for all worlds: node:fs cannot make any, and mkfifo(1) takes its time. */
function theFifo(): string {
  if (fifo === undefined) {
    const folder = mkdtempSync(join(memoryFolder, 'lowerdir-fuzz-fifo-'))
    fifo = join(folder, 'fifo')
    execFileSync('mkfifo', [fifo])
  }
  return fifo
}
