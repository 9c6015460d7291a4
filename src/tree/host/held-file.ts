import { ErrnoError, errno } from '../../sys/errno.ts'
import { O_CLOEXEC, O_NOFOLLOW, O_PATH } from '../../sys/constants.ts'
import { Stat, statx, statxAt } from '../../sys/statx.ts'
import { modes } from '../flags.ts'
import type { Holder, Newcomer } from './descriptors.ts'
import { versionOf } from './identity.ts'
import type { HostContext } from './policy.ts'
import type { FoundFile, SavedFile } from './saved-file.ts'

/** How a file is held: no symlink is ever followed, and nothing is opened by it. */
export const HELD = O_PATH | O_NOFOLLOW | O_CLOEXEC

/** The name leads nowhere, or to another file. */
const NAMELESS = 1
/** Used since the clock's hand passed (descriptors.ts). */
const RECENT = 2

/** What a file's state was when it was looked at last: the methods that return it are called again only once it was read. */
const lastStat = new Stat()

const halves = new DataView(new ArrayBuffer(8))

/**
 * A file of the host, held by an O_PATH descriptor that was reached one name at a time. There is no
 * path string, and no symlink is ever followed.
 *
 * A descriptor can be given back and fetched again (descriptors.ts): a file remembers in which
 * directory and by which name it was reached, and which inode that was. If another inode lies there by
 * then, this file is stale; it never becomes the other. A file that loses its name, because a client
 * removes or replaces it, keeps its descriptor. There is at most one HeldFile for each name of a
 * directory, and it follows a client's rename, so names do not go stale by what clients do.
 *
 * @typeParam Self the class that is made of it.
 */
export abstract class HeldFile<Self extends HeldFile<Self>> implements Holder, Newcomer {
  protected readonly context: HostContext
  /** The directory it was reached in, which this file uses as long as it lives. */
  #parent: Self | null
  #name: string
  /** The files of this directory's names. */
  #children: Map<string, Self> | null = null
  protected readonly device: number
  /** The inode number in two halves: as a bigint it would take more memory, and time to compare. */
  readonly #inoLow: number
  readonly #inoHigh: number
  /** The time of birth, where the file system keeps one: tells a file from a later one with its number. */
  readonly #birth: number
  /** S_IFMT bits, which never change, and below them {@link NAMELESS} and {@link RECENT}: one word. */
  #marks: number
  /** As of the last lookup; signed, which V8 stores in place. */
  #version: number
  #fd: number
  #uses = 1
  /** Reasons why the descriptor must stay: open files, the lost name, an operation under way. */
  #pins: number

  /**
   * @param parent null for the root.
   * @param fd an O_PATH descriptor of the file, which it owns from now on; -1 for a file that fetches one
   *   when it needs one.
   * @throws ENFILE when the tree remembers as many files as it may; then it does not own the descriptor.
   */
  constructor(
    context: HostContext,
    parent: Self | null,
    name: string,
    stat: FoundFile,
    fd: number,
  ) {
    context.files.take()
    this.context = context
    this.#parent = parent
    this.#name = name
    this.device = stat.dev
    this.#inoLow = stat.inoLow
    this.#inoHigh = stat.inoHigh
    this.#birth = context.birthDevice === this.device ? stat.birth : 0
    this.#marks = (stat.mode & modes.TYPE) | (parent === null ? NAMELESS : 0)
    this.#version = versionOf(stat) | 0
    // The root has no name by which it could be found again.
    this.#pins = parent === null ? 1 : 0
    this.#fd = fd
  }

  /** S_IFMT bits that it has on the host. */
  protected get hostType(): number {
    return this.#marks & modes.TYPE
  }

  get isDirectory(): boolean {
    return this.hostType === modes.DIRECTORY
  }

  /** See FileIdentity. */
  get ino(): bigint {
    return this.context.inodes.of(inodeOf(this.#inoLow, this.#inoHigh), this.device)
  }

  /** See FileIdentity; as of the last lookup. */
  get version(): number {
    return this.#version >>> 0
  }

  retain(): void {
    this.#uses++
  }

  release(): void {
    // Not by recursion: a guest may make directories as deep as it likes.
    for (let above = this.#release(); above !== null;) above = above.#release()
  }

  mayGiveBack(): boolean {
    const may = (this.#marks & RECENT) === 0 && this.#pins === 0
    this.#marks &= ~RECENT
    return may
  }

  giveBack(): void {
    const fd = this.#fd
    this.#fd = -1
    this.context.descriptors.discard(fd)
  }

  /** See Node.place. */
  place(): { directory: Self; name: string } {
    if (this.#parent === null) throw new ErrnoError(errno.EBUSY, 'root')
    this.#find()
    const directory = this.#directory()
    directory.retain()
    return { directory, name: this.#name }
  }

  settle(): void {
    if (this.#uses === 0 || this.#fd >= 0 || this.#isNameless) return
    try {
      this.descriptor()
    } catch (error) {
      // The request that needs it next fails with the reason.
      if (!(error instanceof ErrnoError)) throw error
    }
  }

  /** The directory it was reached in; the root for the root. */
  protected get above(): Self {
    return this.#parent ?? this.self()
  }

  protected abstract self(): Self

  /** What is known under `name` in this directory. */
  protected child(name: string): Self | undefined {
    return this.#children === null ? undefined : this.#children.get(name)
  }

  /** What is known there, used once more, if it is still the file that `stat` has found. */
  protected known(name: string, stat: Stat): Self | undefined {
    const child = this.child(name)
    if (child === undefined) return undefined
    if (!child.#is(stat)) {
      child.loseName()
      return undefined
    }
    child.#version = versionOf(stat) | 0
    child.seenAgain()
    child.#uses++
    return child
  }

  /** A lookup has found it again: what is remembered of its state may be out of date. */
  protected seenAgain(): void {}

  /** What is known there, used once more; it has to be the file that was saved. @throws ESTALE */
  protected recalled(name: string, file: SavedFile): Self | undefined {
    const child = this.child(name)
    if (child === undefined) return undefined
    // A lookup since then may have found another file there.
    child.expectSame(file)
    child.#uses++
    return child
  }

  /** @throws ESTALE when this is another file than the one that was saved. */
  protected expectSame(file: SavedFile): void {
    if (!this.#is(file)) throw stale()
  }

  /**
   * A regular file must not have changed since it was saved: its client may have parts of it in its cache,
   * and would see old and new parts side by side.
   *
   * @throws ESTALE when it has changed, or is not there.
   */
  protected expectUnchanged({ ctimeSec, ctimeNsec, size }: SavedFile): void {
    if (this.hostType !== modes.FILE) return
    const stat = this.stat()
    // Every write sets the ctime, and no program can set it back.
    const isSame = stat.ctimeSec === ctimeSec && stat.ctimeNsec === ctimeNsec && stat.size === size
    if (!isSame) throw stale()
  }

  /** What it is known by. @throws ESTALE when a regular file is not where it was reached. */
  protected saved(sealed: boolean): SavedFile {
    const { ctimeSec, ctimeNsec, size } = this.hostType === modes.FILE ? this.stat() : stateless
    return {
      mode: this.hostType,
      dev: this.device,
      inoLow: this.#inoLow,
      inoHigh: this.#inoHigh,
      birth: this.#birth,
      ctimeSec,
      ctimeNsec,
      size,
      prefix: this.context.inodes.prefixOf(inodeOf(this.#inoLow, this.#inoHigh), this.device),
      sealed,
    }
  }

  /** Its inode number is made with the prefix that another server used, see InodeNumbers. */
  protected keepPrefix(prefix: number): void {
    this.context.inodes.keep(inodeOf(this.#inoLow, this.#inoHigh), this.device, prefix)
  }

  /** The name by which it can be found again; undefined where there is none. The root needs none. */
  protected get findable(): { readonly above: Self | null; readonly name: string } | undefined {
    if (this.#isNameless && this.#parent !== null) return undefined
    return { above: this.#parent, name: this.#name }
  }

  /**
   * `child` was found under its name in this directory.
   *
   * @param settles whether it gets a descriptor soon, if it has none.
   */
  protected attach(child: Self, settles = true): void {
    const known = this.child(child.#name)
    if (known !== undefined) known.loseName()
    this.#children ??= new Map()
    this.#children.set(child.#name, child)
    this.#uses++
    if (child.#fd >= 0) this.context.descriptors.add(child)
    else if (settles) this.context.descriptors.expect(child)
  }

  /** A client has moved this file to `name` in `directory`. */
  protected moveTo(directory: Self, name: string): void {
    // The host may have moved directories as well, so that the new place would lie below this file: what is
    // remembered must not become a ring.
    for (let at: HeldFile<Self> | null = directory; at !== null; at = at.#parent) {
      if (at === this) return this.loseName()
    }
    const left = this.#parent
    this.#forget()
    this.#parent = directory
    this.#name = name
    directory.attach(this.self())
    if (left !== null) left.release()
  }

  /** The name is another file's by now, or is gone: a descriptor that is held cannot be fetched again. */
  protected loseName(): void {
    this.#forget()
    this.#marks |= NAMELESS
    if (this.#fd >= 0) this.pin()
  }

  /** Has a descriptor until {@link unpin}, if it can get one. */
  protected keep(): void {
    try {
      this.descriptor()
    } catch (error) {
      // The file is no longer there, or no descriptor is left: then there is nothing to keep.
      if (!(error instanceof ErrnoError)) throw error
    }
    this.pin()
  }

  /** The descriptor, if there is one, stays until {@link unpin}. */
  protected pin(): void {
    if (this.#pins++ === 0) this.context.descriptors.delete(this)
  }

  protected unpin(): void {
    if (--this.#pins === 0 && this.#fd >= 0) this.context.descriptors.add(this)
  }

  /**
   * The O_PATH descriptor; one that was given back is fetched again.
   *
   * @throws ESTALE when the name means another file by now.
   */
  protected descriptor(): number {
    this.#marks |= RECENT
    if (this.#fd >= 0) return this.#fd
    // Up to the nearest directory that has one, and down again.
    const missing: HeldFile<Self>[] = [this]
    for (let above = this.#directory(); above.#fd < 0; above = above.#directory()) {
      missing.push(above)
    }
    for (let file = missing.pop(); file !== undefined; file = missing.pop()) file.#fetch()
    return this.#fd
  }

  /** Has a descriptor from now on; the file's present state. */
  protected hold(): Stat {
    if (this.#fd >= 0) return this.stat()
    this.descriptor()
    // Fetching it has called statx(2) just now.
    return lastStat
  }

  /** The present state, for which a file that has no descriptor yet needs none. */
  protected stat(): Stat {
    if (this.#fd >= 0) {
      this.#marks |= RECENT
      return statx(this.#fd, lastStat)
    }
    return this.#find()
  }

  /** openat(2) of a name in this directory, as one of the tree's descriptors. */
  protected openAt(name: string, flags: number, mode = 0): number {
    const directory = this.descriptor()
    this.#pins++
    try {
      return this.context.descriptors.open(directory, name, flags, mode)
    } finally {
      this.#pins--
    }
  }

  /** This file, opened once more. */
  protected reopen(flags: number): number {
    const fd = this.descriptor()
    this.#pins++
    try {
      return this.context.descriptors.open(this.context.self, `${fd}`, flags)
    } finally {
      this.#pins--
    }
  }

  get #isNameless(): boolean {
    return (this.#marks & NAMELESS) !== 0
  }

  /** Whether this is the file that `stat` is about. */
  #is(stat: FoundFile): boolean {
    return (
      stat.inoLow === this.#inoLow &&
      stat.inoHigh === this.#inoHigh &&
      stat.dev === this.device &&
      (stat.mode & modes.TYPE) === this.hostType &&
      (this.#birth === 0 || this.#birth === stat.birth)
    )
  }

  /** What its name leads to, which is this file. */
  #find(): Stat {
    const directory = this.#directory().descriptor()
    let stat: Stat
    try {
      stat = statxAt(directory, this.#name, lastStat)
    } catch (error) {
      throw gone(error)
    }
    if (!this.#is(stat)) throw stale()
    return stat
  }

  /** Where its name is. */
  #directory(): Self {
    if (this.#isNameless || this.#parent === null) throw stale()
    return this.#parent
  }

  /** Opens it by its name; the directory has a descriptor. */
  #fetch(): void {
    const { descriptors } = this.context
    let fd: number
    try {
      fd = this.#directory().openAt(this.#name, HELD)
    } catch (error) {
      throw gone(error)
    }
    try {
      if (!this.#is(statx(fd, lastStat))) throw stale()
    } catch (error) {
      descriptors.discard(fd)
      throw error
    }
    this.#fd = fd
    this.#marks |= RECENT
    if (this.#pins === 0) descriptors.add(this)
  }

  /** One use less. After the last one, the directory that this file has used is returned. */
  #release(): Self | null {
    if (--this.#uses > 0) return null
    this.context.files.giveBack()
    if (!this.#isNameless) this.#forget()
    if (this.#fd >= 0) {
      this.context.descriptors.delete(this)
      this.giveBack()
    }
    return this.#parent
  }

  /** The directory does not know this file by its name any more. */
  #forget(): void {
    if (this.#parent !== null && this.#parent.#children !== null) {
      this.#parent.#children.delete(this.#name)
    }
  }
}

/** What is saved of a file whose content a client cannot have. */
const stateless = { ctimeSec: 0, ctimeNsec: 0, size: 0 }

function inodeOf(low: number, high: number): bigint {
  halves.setInt32(0, low, true)
  halves.setInt32(4, high, true)
  return halves.getBigUint64(0, true)
}

function stale(): ErrnoError {
  return new ErrnoError(errno.ESTALE, 'file')
}

/** The error for a file that cannot be found again: it is stale, also where another file has its name. */
function gone(error: unknown): unknown {
  return error instanceof ErrnoError && vanished.has(error.errno) ? stale() : error
}

const vanished: ReadonlySet<number> = new Set([errno.ENOENT, errno.ENOTDIR])
