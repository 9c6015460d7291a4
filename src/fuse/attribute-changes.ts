import type { FileTime } from '../sys/files.ts'
import type { AttributeChanges } from '../tree/attributes.ts'
import { setattr } from './wire/flags.ts'
import type { T } from './wire/messages.ts'

/** The attributes that a SETATTR changes. */
export function changesOf(request: T<'setattr'>): AttributeChanges {
  const { valid, mode, uid, gid, size } = request
  const has = (bit: number): boolean => (valid & bit) !== 0
  return {
    mode: has(setattr.MODE) ? mode : undefined,
    uid: has(setattr.UID) ? uid : undefined,
    gid: has(setattr.GID) ? gid : undefined,
    size: has(setattr.SIZE) ? size : undefined,
    atime: has(setattr.ATIME)
      ? time(has(setattr.ATIME_NOW), request.atimeSec, request.atimeNsec)
      : undefined,
    mtime: has(setattr.MTIME)
      ? time(has(setattr.MTIME_NOW), request.mtimeSec, request.mtimeNsec)
      : undefined,
    // Without anything to change it is a change of the ctime alone, as by a chown(2) to the same owner.
    ctime: (valid & CHANGES) === 0 ? 'now' : undefined,
  }
}

/** A client that sends a ctime changes something else as well. */
const CHANGES =
  setattr.MODE | setattr.UID | setattr.GID | setattr.SIZE | setattr.ATIME | setattr.MTIME

function time(isNow: boolean, seconds: number, nanoseconds: number): FileTime {
  return isNow ? 'now' : { seconds, nanoseconds }
}
