import { limits, payloadBytes, type Qid, type R, readDirent, Reader } from '../../src/9p/index.ts'
import { defaultLimits, type SessionLimits } from '../../src/session/session-limits.ts'
import type { SavedSession } from '../../src/9p/saved-session.ts'
import type { HostPolicy } from '../../src/tree/host/policy.ts'
import { HostTree } from '../../src/tree/host/host-tree.ts'
import type { Later } from '../../src/tree/later.ts'
import type { ViewPatterns } from '../../src/tree/view/sight.ts'
import { viewOf } from '../../src/tree/view/view-tree.ts'
import { memoryOf } from './frames.ts'
import { ManualTimers } from './manual-timers.ts'
import { SessionProbe } from './session-probe.ts'
import { afterwards } from './temporary.ts'

/** A directory's entry as Treaddir shows it. */
export interface Entry {
  readonly name: string
  readonly offset: bigint
  readonly type: number
  readonly qid: Qid
}

const HOUR = 3_600_000

interface Others {
  readonly later?: Later
  /** The host's clock as the tree reads it. Default: every file is old, see births.ts. */
  readonly now?: () => number
  /** A conversation to go on with. */
  readonly saved?: SavedSession
}

/** A session on a host directory, or on a view of it; the directory is fid 0. Other fids are numbered as they come. */
export class HostProbe extends SessionProbe {
  readonly tree: HostTree
  #fid = 1
  readonly timers: ManualTimers
  readonly #directory: string | HostTree
  readonly #policy: Partial<HostPolicy> & ViewPatterns
  readonly #msize: number

  /** @param directory a tree for one more session on it. */
  constructor(
    directory: string | HostTree,
    policy: Partial<HostPolicy> & ViewPatterns = {},
    msize = 131072,
    { later, saved, now = () => Date.now() + HOUR, ...most }: Partial<SessionLimits> & Others = {},
  ) {
    const timers = new ManualTimers()
    const full = { readOnly: false, owner: 'host', atime: 'preserve', ...policy } as const
    const tree =
      typeof directory === 'string'
        ? new HostTree(directory, full, later ?? timers.later, undefined, now)
        : directory
    super(viewOf(tree, policy), saved ? 0 : msize, { ...defaultLimits, ...most })
    this.timers = timers
    this.tree = tree
    this.#directory = directory
    this.#policy = policy
    this.#msize = msize
    afterwards(() => {
      this.session.close()
      if (typeof directory === 'string') tree.close()
    })
    if (saved) {
      this.load(saved)
      // Those of the one before are in use.
      this.#fid = 1000
    } else this.attach(0, process.getuid!())
  }

  /**
   * Another server's session goes on where this one is, which goes on as well.
   *
   * @param changes of the policy.
   */
  elsewhere(
    changes: Partial<HostPolicy> & ViewPatterns = {},
    others: Partial<SessionLimits> & { directory?: string | HostTree } = {},
  ): HostProbe {
    const saved = this.session.save()
    const { directory = this.#directory, ...most } = others
    const policy = { ...this.#policy, ...changes }
    return new HostProbe(directory, policy, this.#msize, { ...most, saved })
  }

  /** Lets so much time pass that files which have been walked to are held by descriptors. */
  settle(): void {
    this.timers.fire(10)
  }

  /** A new fid for the file at `path`, '' for the directory itself. @throws when there is none. */
  fid(path: string): number {
    const names = path.split('/').filter((name) => name !== '')
    const newfid = this.#fid++
    let fid = 0
    do {
      const some = names.splice(0, limits.WALK_NAMES_MAX)
      const { qids } = this.call('walk', { fid, newfid, names: some })
      if (qids.length < some.length) throw Object.assign(new Error(path), { errno: 2 })
      fid = newfid
    } while (names.length > 0)
    return newfid
  }

  stat(path: string, mask = 0x7ff): R<'getattr'> {
    const fid = this.fid(path)
    const attributes = this.call('getattr', { fid, mask })
    this.call('clunk', { fid })
    return attributes
  }

  opened(path: string, flags = 0): number {
    const fid = this.fid(path)
    this.call('lopen', { fid, flags })
    return fid
  }

  /** A new file in `directory`, open. */
  create(
    directory: string,
    name: string,
    mode = 0o644,
    flags = 2,
    gid = process.getgid!(),
  ): number {
    const fid = this.fid(directory)
    this.call('lcreate', { fid, name, flags, mode: 0o100000 | mode, gid })
    return fid
  }

  read(fid: number, offset = 0, count = 65536): Buffer {
    return Buffer.from(payloadBytes(this.call('read', { fid, offset, count }).data))
  }

  write(fid: number, offset: number, text: string): number {
    const bytes = Buffer.from(text, 'latin1')
    const data = { memory: memoryOf(bytes), offset: 0, length: bytes.length }
    return this.call('write', { fid, offset, data }).count
  }

  /** The attributes in `changes` and no others. */
  setattr(fid: number, valid: number, changes: Partial<Record<string, number>>): void {
    const none = { mode: 0, uid: 0, gid: 0, size: 0 }
    const times = { atimeSec: 0, atimeNsec: 0, mtimeSec: 0, mtimeNsec: 0 }
    this.call('setattr', { fid, valid, ...none, ...times, ...changes })
  }

  /** One Treaddir's entries. */
  entries(fid: number, offset = 0n, count = 65536): Entry[] {
    const bytes = payloadBytes(this.call('readdir', { fid, offset, count }).data)
    const memory = memoryOf(bytes)
    const from = new Reader(memory).over(memory, 0, bytes.length)
    const entries: Entry[] = []
    while (from.position < from.end) entries.push(readDirent(from))
    return entries
  }

  /** All names of a directory but `.` and `..`, sorted. */
  names(path: string): string[] {
    const fid = this.opened(path)
    const names: string[] = []
    for (let offset = 0n; ;) {
      const some = this.entries(fid, offset)
      if (some.length === 0) break
      names.push(...some.map(({ name }) => name))
      offset = some.at(-1)!.offset
    }
    this.call('clunk', { fid })
    return names.filter((name) => name !== '.' && name !== '..').toSorted()
  }
}
