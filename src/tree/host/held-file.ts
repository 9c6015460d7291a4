import { ErrnoError, errno } from '../../sys/errno.ts'
import { O_CLOEXEC, O_NOFOLLOW, O_PATH } from '../../sys/constants.ts'
import { fileHandle } from '../../sys/file-handles.ts'
import { Stat, statx, statxAt } from '../../sys/statx.ts'
import { modes } from '../flags.ts'
import type { Holder, Newcomer } from './descriptors.ts'
import { versionOf } from './identity.ts'
import { openNow } from './open-now.ts'
import type { HostContext } from './policy.ts'
import { type FoundFile, JUST_NOW, LONG_AGO, type SavedFile } from './saved-file.ts'

/** Flags for a descriptor that holds a file: they follow no symlink and do not open the file itself. */
export const HELD = O_PATH | O_NOFOLLOW | O_CLOEXEC

/** The file has no name any more, or its name leads to another file. */
const NAMELESS = 1
/** Used since the clock's hand passed (descriptors.ts). */
const RECENT = 2
/** Its inode number and time of birth identify the file, see births.ts. */
const IDENTIFIED = 4

/**
 * The result of the last statx(2). The methods that return it overwrite it, so callers read it before they
 * call one again.
 */
const lastStat = new Stat()

/**
 * How many descriptors one request fetches at most: in 5 milliseconds or so. The path of a file has at most
 * as many directories (PATH_MAX), but a client can make directories as deep as it likes, one at a time.
 */
const FETCHED_MOST = 2048

const halves = new DataView(new ArrayBuffer(8))

/**
 * A file of the host, held by an O_PATH descriptor that was reached one name at a time. There is no path
 * string, and no symlink is ever followed.
 *
 * A descriptor can be given back and fetched again (descriptors.ts). For that a file remembers its directory,
 * its name and its inode. If the name leads to another inode by then, this file is stale; it never becomes
 * the other file. Inode numbers are used again, so a file that the time of birth does not identify has a
 * descriptor from the beginning, and leaves its file handle when it gives the descriptor back. When a client removes or replaces a file, the file keeps its descriptor. A directory has at
 * most one HeldFile for each name. It follows renames by clients, so these do not make it stale.
 *
 * @typeParam Self the class that is made of it.
 */
export abstract class HeldFile<Self extends HeldFile<Self>> implements Holder, Newcomer {
  protected readonly context: HostContext
  /** The directory that it was reached in. This file counts as one use of it. */
  #parent: Self | null
  #name: string
  /** The known files of this directory, by name. */
  #children: Map<string, Self> | null = null
  protected readonly device: number
  /** The inode number in two halves: as a bigint it would take more memory, and time to compare. */
  readonly #inoLow: number
  readonly #inoHigh: number
  /**
   * The time of birth if it tells the file from a later one with the same inode number, see births.ts; 0 if
   * it does not.
   */
  #birth: number
  /** The file handle of a file that has given its descriptor back and is not {@link IDENTIFIED}; '' for none. */
  #handle = ''
  /** S_IFMT bits, which never change, and below them {@link NAMELESS}, {@link RECENT}, …: one word. */
  #marks: number
  /** As of the last lookup; signed, which V8 stores in place. */
  #version: number
  #fd: number
  #uses = 1
  /** How many reasons there are to keep the descriptor: open files, a lost name, an operation under way. */
  #pins: number

  /**
   * @param parent null for the root.
   * @param fd an O_PATH descriptor of the file, which it owns from now on; -1 for a file that fetches one
   *   when it needs one.
   * @throws ENFILE when the tree remembers as many files as it may. The caller still owns the descriptor
   *   then.
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
    const identified = context.births.identify(stat)
    this.#birth = identified ? stat.birth : 0
    this.#marks =
      (stat.mode & modes.TYPE) | (parent === null ? NAMELESS : 0) | (identified ? IDENTIFIED : 0)
    this.#version = versionOf(stat) | 0
    // The root has no name by which it could be found again.
    this.#pins = parent === null ? 1 : 0
    this.#fd = fd
  }

  /** The S_IFMT bits on the host. */
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
    // Not recursive: a guest may make directories as deep as it likes.
    for (let above = this.#release(); above !== null;) above = above.#release()
  }

  mayGiveBack(): boolean {
    const may = (this.#marks & RECENT) === 0 && this.#pins === 0
    this.#marks &= ~RECENT
    return may && this.#isProvable()
  }

  giveBack(): void {
    const fd = this.#fd
    this.#fd = -1
    this.context.descriptors.discard(fd)
  }

  /** See Node.place. */
  place(): { directory: Self; name: string } {
    if (this.#parent === null) throw new ErrnoError(errno.EBUSY, 'root')
    if (this.#isIdentified) this.#find()
    else this.descriptor()
    const directory = this.#directory()
    directory.retain()
    return { directory, name: this.#name }
  }

  settle(): void {
    if (this.#uses === 0 || this.#fd >= 0 || this.#isNameless) return
    try {
      this.descriptor()
    } catch (error) {
      // Ignored: the next request that needs the descriptor fails with the reason.
      if (!(error instanceof ErrnoError)) throw error
    }
  }

  /** The directory that it was reached in; for the root, the root. */
  protected get above(): Self {
    return this.#parent ?? this.self()
  }

  protected abstract self(): Self

  /** The known file of that name in this directory. */
  protected child(name: string): Self | undefined {
    return this.#children === null ? undefined : this.#children.get(name)
  }

  /** The known file of that name, with one use more, if `stat` describes the same file. */
  protected known(name: string, stat: Stat): Self | undefined {
    const child = this.child(name)
    if (child === undefined) return undefined
    if (!child.#is(stat) || !child.#isThere()) {
      child.loseName()
      return undefined
    }
    child.#version = versionOf(stat) | 0
    child.seenAgain()
    child.#uses++
    return child
  }

  /** A lookup has found the file again, so remembered attributes may be out of date. */
  protected seenAgain(): void {}

  /** The known file of that name, with one use more. @throws ESTALE when it is not the saved file. */
  protected recalled(name: string, file: SavedFile): Self | undefined {
    const child = this.child(name)
    if (child === undefined) return undefined
    // A lookup after the save may have found another file of that name.
    child.expectSame(file)
    child.#uses++
    return child
  }

  /** @throws ESTALE when this is not the saved file. */
  protected expectSame(file: SavedFile): void {
    const birth = file.birth === 0 ? this.#birth : file.birth
    if (!this.#is({ ...file, birth })) throw stale()
    if (this.#birth === 0 && birth !== 0 && this.stat().birth !== birth) throw stale()
    if (file.handle !== '' && fileHandle(this.descriptor()) !== file.handle) throw stale()
  }

  /**
   * Checks that a regular file has not changed since it was saved. Its client may have parts of it in its
   * cache, and would see old and new parts side by side.
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

  /**
   * What identifies this file in a saved session. @throws ESTALE when a regular file is not where it was
   * reached.
   */
  protected saved(sealed: boolean): SavedFile {
    const { ctimeSec, ctimeNsec, size } = this.hostType === modes.FILE ? this.stat() : stateless
    return {
      mode: this.hostType,
      dev: this.device,
      inoLow: this.#inoLow,
      inoHigh: this.#inoHigh,
      birth: this.#birth,
      bornAt: this.#isIdentified ? LONG_AGO : JUST_NOW,
      ctimeSec,
      ctimeNsec,
      size,
      prefix: this.context.inodes.prefixOf(inodeOf(this.#inoLow, this.#inoHigh), this.device),
      sealed,
      handle: this.#isProvable() ? this.#handle : '',
    }
  }

  /** Takes over what was saved of a file that is not {@link IDENTIFIED}. */
  protected isProvenBy({ birth, handle }: SavedFile): void {
    if (this.#isIdentified) return
    this.#birth = birth
    this.#handle = handle
  }

  /** Makes its inode number with the prefix that another server used, see InodeNumbers. */
  protected keepPrefix(prefix: number): void {
    this.context.inodes.keep(inodeOf(this.#inoLow, this.#inoHigh), this.device, prefix)
  }

  /**
   * Its directory and the name by which it can be found again; undefined if it has lost its name. The root
   * needs none.
   */
  protected get findable(): { readonly above: Self | null; readonly name: string } | undefined {
    if (this.#isNameless && this.#parent !== null) return undefined
    return { above: this.#parent, name: this.#name }
  }

  /**
   * Adds `child`, which was found in this directory.
   *
   * @param settles whether the child gets a descriptor soon if it has none.
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
    // The host may have moved directories as well, so that the new place is below this file. The chain of
    // parents must not become a ring.
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

  /**
   * A client has exchanged the names of two files.
   *
   * @param other the other file; undefined for one that is not known.
   */
  protected exchangeWith(
    other: Self | undefined,
    directory: Self,
    name: string,
    itsDirectory: Self,
    itsName: string,
  ): void {
    // Neither takes the other's name away.
    this.#forget()
    other?.forgetName()
    this.moveTo(directory, name)
    other?.moveTo(itsDirectory, itsName)
  }

  protected forgetName(): void {
    this.#forget()
  }

  /**
   * The name is gone, or leads to another file. From now on the descriptor is kept, because it could not be
   * fetched again.
   */
  protected loseName(): void {
    this.#forget()
    this.#marks |= NAMELESS
    if (this.#fd >= 0) this.pin()
  }

  /** A client has given this file, which has no name, a name again. */
  protected regainName(directory: Self, name: string): void {
    if (!this.#isNameless || this.#parent === null) return
    this.#marks &= ~NAMELESS
    if (this.#fd >= 0) this.unpin()
    this.moveTo(directory, name)
  }

  /** Keeps a descriptor until {@link unpin}, if it can get one. */
  protected keep(): void {
    try {
      this.descriptor()
    } catch (error) {
      // The file is gone, or no descriptor is left: there is nothing to keep.
      if (!(error instanceof ErrnoError)) throw error
    }
    this.pin()
  }

  /** Keeps the descriptor, if there is one, until {@link unpin}. */
  protected pin(): void {
    if (this.#pins++ === 0) this.context.descriptors.delete(this)
  }

  protected unpin(): void {
    if (--this.#pins === 0 && this.#fd >= 0) this.context.descriptors.add(this)
  }

  /**
   * The O_PATH descriptor. If it was given back, it is fetched again.
   *
   * @throws ESTALE when the name leads to another file by now, ENAMETOOLONG when more than
   *   {@link FETCHED_MOST} directories above have no descriptor. The next attempt begins where this one ended.
   */
  protected descriptor(): number {
    this.#marks |= RECENT
    if (this.#fd >= 0) return this.#fd
    // Up to the nearest directory that has one, and down again.
    const missing: HeldFile<Self>[] = [this]
    for (let above = this.#directory(); above.#fd < 0; above = above.#directory()) {
      missing.push(above)
    }
    for (let fetched = 0; ; fetched++) {
      const file = missing.pop()
      if (file === undefined) return this.#fd
      if (fetched === FETCHED_MOST) throw new ErrnoError(errno.ENAMETOOLONG, 'file')
      file.#fetch()
    }
  }

  /** Gets a descriptor, and returns the file's present state. */
  protected hold(): Stat {
    if (this.#fd >= 0) return this.stat()
    this.descriptor()
    // #fetch has just called statx(2).
    return lastStat
  }

  /**
   * The present state. A file without a descriptor is looked up by its name, and gets a descriptor only if that is what
   * identifies it.
   */
  protected stat(): Stat {
    if (this.#fd < 0) return this.#isIdentified ? this.#find() : this.hold()
    this.#marks |= RECENT
    return statx(this.#fd, lastStat)
  }

  /** openat(2) of a name in this directory. The descriptor counts as one of the tree's. */
  protected openAt(name: string, flags: number, mode = 0): number {
    const directory = this.descriptor()
    this.#pins++
    try {
      return this.context.descriptors.open(directory, name, flags, mode)
    } finally {
      this.#pins--
    }
  }

  /** Opens this file again, with other flags. @throws TryAgain as {@link openNow}. */
  protected reopen(flags: number): number {
    const { context } = this
    const fd = this.descriptor()
    this.#pins++
    try {
      // Directories have no leases.
      if (this.hostType === modes.DIRECTORY)
        return context.descriptors.open(context.self, `${fd}`, flags)
      return openNow(context, fd, flags)
    } finally {
      this.#pins--
    }
  }

  get key(): object {
    return this
  }

  /** See Node.isSameFile. */
  isSameFile(other: object): boolean {
    if (other === this) return true
    if (!(other instanceof HeldFile) || !this.#hasInodeOf(other as HeldFile<Self>)) return false
    // Inode numbers are used again. `other` has this one now; this file still has it if it is still there.
    return (this.#isIdentified && (other as HeldFile<Self>).#isIdentified) || this.#isThere()
  }

  #hasInodeOf(other: HeldFile<Self>): boolean {
    return (
      this.context === other.context &&
      this.#inoLow === other.#inoLow &&
      this.#inoHigh === other.#inoHigh &&
      this.device === other.device &&
      this.hostType === other.hostType &&
      (this.#birth === 0 || other.#birth === 0 || this.#birth === other.#birth)
    )
  }

  get #isNameless(): boolean {
    return (this.#marks & NAMELESS) !== 0
  }

  get #isIdentified(): boolean {
    return (this.#marks & IDENTIFIED) !== 0
  }

  /**
   * Whether the file will be known again once its descriptor is given back. If not, it keeps the descriptor: as long as that
   * is open, no other file gets the inode.
   */
  #isProvable(): boolean {
    if (this.#isIdentified || this.#fd < 0) return true
    this.#handle = fileHandle(this.#fd) ?? ''
    if (this.#handle !== '') return true
    const stat = statx(this.#fd, lastStat)
    if (!this.context.births.tellApart(stat)) return false
    this.#birth = stat.birth
    return true
  }

  /** Whether this file, whose inode number its name leads to, is still there. */
  #isThere(): boolean {
    if (this.#fd >= 0 || this.#isIdentified) return true
    try {
      this.descriptor()
      return true
    } catch (error) {
      if (error instanceof ErrnoError && error.errno === errno.ESTALE) return false
      throw error
    }
  }

  /** Whether `stat` describes this file. */
  #is(stat: FoundFile): boolean {
    return (
      stat.inoLow === this.#inoLow &&
      stat.inoHigh === this.#inoHigh &&
      stat.dev === this.device &&
      (stat.mode & modes.TYPE) === this.hostType &&
      (this.#birth === 0 || this.#birth === stat.birth)
    )
  }

  /** Looks the file up by its name. @throws ESTALE when the name leads to another file. */
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

  /** The directory in which its name is. */
  #directory(): Self {
    if (this.#isNameless || this.#parent === null) throw stale()
    return this.#parent
  }

  /** Gets a descriptor by the name. The directory has one already. */
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
      if (this.#handle !== '' && fileHandle(fd) !== this.#handle) throw stale()
    } catch (error) {
      descriptors.discard(fd)
      throw error
    }
    this.#fd = fd
    this.#marks |= RECENT
    if (this.#pins === 0) descriptors.add(this)
  }

  /** Drops one use. After the last one, returns the directory: the caller drops its use by this file. */
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

  /** Removes this file from the known files of its directory. */
  #forget(): void {
    if (this.#parent === null || this.#parent.#children === null) return
    const siblings = this.#parent.#children
    // After an exchange of two names, the name may have another file already.
    if (siblings.get(this.#name) === this.self()) siblings.delete(this.#name)
  }
}

/** What is saved of a file that is not regular: clients cache no content of it. */
const stateless = { ctimeSec: 0, ctimeNsec: 0, size: 0 }

function inodeOf(low: number, high: number): bigint {
  halves.setInt32(0, low, true)
  halves.setInt32(4, high, true)
  return halves.getBigUint64(0, true)
}

function stale(): ErrnoError {
  return new ErrnoError(errno.ESTALE, 'file')
}

/** The error for a file that cannot be found again. It is stale, also if its name is gone. */
function gone(error: unknown): unknown {
  return error instanceof ErrnoError && vanished.has(error.errno) ? stale() : error
}

const vanished: ReadonlySet<number> = new Set([errno.ENOENT, errno.ENOTDIR])
