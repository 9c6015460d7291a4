import { ErrnoError, errno } from '../../sys/errno.ts'
import { Reader, Writer } from '../../9p/wire/cursor.ts'
import { direntBytes, readDirent, writeDirent } from '../../9p/wire/dirent.ts'
import { NAME_BYTES_MAX } from '../../9p/wire/limits.ts'
import { heapMemory } from '../../sys/memory.ts'
import type { Payload } from '../../sys/memory.ts'
import { qidType } from '../../9p/wire/qid.ts'
import type { Deferred } from '../deferred.ts'
import type { Lock, LockHolder, LockOwner, LockRange, OpenFile } from '../tree.ts'
import type { Sight } from './sight.ts'

/** Where the entries are looked through. One tree is asked at a time. */
const memory = heapMemory(64 * 1024)
const LONGEST = direntBytes(NAME_BYTES_MAX)

/** An open directory whose hidden entries are left out. Cookies are those of the tree below. */
export class ViewDirectory implements OpenFile {
  /** The same, open in the tree below. */
  readonly inner: OpenFile
  readonly #sight: Sight

  constructor(inner: OpenFile, sight: Sight) {
    this.inner = inner
    this.#sight = sight
  }

  /** @throws EINVAL when not even one entry fits: none at all would mean the end. */
  readdir(offset: bigint, to: Writer): void {
    const start = to.position
    const from = new Reader(memory)
    const batch = new Writer(memory)
    // No more than will probably be used, since the tree below would have to bring the rest again.
    let room = to.end - to.position
    for (let cookie = offset; ;) {
      room = Math.min(Math.max(room, LONGEST), memory.bytes.length)
      this.inner.readdir(cookie, batch.over(memory, 0, room))
      if (batch.position === 0) return
      from.over(memory, 0, batch.position)
      const before = to.position
      while (from.position < from.end) {
        const entry = readDirent(from)
        cookie = entry.offset
        const directory = (entry.qid.type & qidType.directory) !== 0
        if (!this.#shows(entry.name, directory)) continue
        if (direntBytes(entry.name.length) > to.end - to.position) {
          if (to.position === start) throw new ErrnoError(errno.EINVAL, 'readdir count')
          return
        }
        writeDirent(to, entry)
      }
      const left = to.end - to.position
      if (to.position > start && left < LONGEST) return
      // Where most are hidden, small batches would only cost time.
      room = to.position > before ? left : room * 2
    }
  }

  #shows(name: string, directory: boolean): boolean {
    if (name === '.' || name === '..') return true
    const sight = this.#sight.at(name)
    return sight !== null && (directory || sight.shown)
  }

  read(offset: number, into: Payload, mayDefer: boolean): number | Deferred<Uint8Array> {
    return this.inner.read(offset, into, mayDefer)
  }

  write(offset: number, from: Payload): number | Deferred<number> {
    return this.inner.write(offset, from)
  }

  fsync(dataOnly: boolean): void {
    this.inner.fsync(dataOnly)
  }

  lock(lock: Lock, wait: boolean): boolean | Deferred<boolean> {
    return this.inner.lock(lock, wait)
  }

  unlock(range: LockRange, owner: LockOwner): void {
    this.inner.unlock(range, owner)
  }

  getlock(lock: Lock): LockHolder | undefined {
    return this.inner.getlock(lock)
  }

  locks(): readonly Lock[] {
    return this.inner.locks()
  }

  close(): void {
    this.inner.close()
  }
}
