import type { FileTime } from '../sys/files.ts'
import { type AttributeChanges, Attributes } from '../tree/attributes.ts'
import { getattr, setattr } from './wire/flags.ts'
import type { R, T } from './wire/messages.ts'
import { qidTypeOf } from './wire/qid.ts'

/**
 * Attributes that a tree fills, and the Rgetattr that they are sent as. A session has one such object for all
 * of its replies: it encodes each reply before it makes the next one.
 */
export class AttributesReply extends Attributes implements R<'getattr'> {
  valid = 0
  readonly qid = { type: 0, version: 0, path: 0n }
  readonly gen = 0
  readonly dataVersion = 0

  /** Adds what the tree does not know to the attributes that it has filled in. @param mask the request's. */
  reply(mask: number): this {
    const { qid } = this
    qid.type = qidTypeOf(this.type)
    qid.version = this.version
    qid.path = this.ino
    if ((mask & getattr.BTIME) !== 0 && this.hasBtime) {
      this.valid = getattr.BASIC | getattr.BTIME
    } else {
      this.valid = getattr.BASIC
      this.btimeSec = 0
      this.btimeNsec = 0
    }
    return this
  }
}

/** The attributes that a Tsetattr changes. */
export function changesOf(request: T<'setattr'>): AttributeChanges {
  const { valid, mode, uid, gid, size } = request
  const has = (bit: number): boolean => (valid & bit) !== 0
  return {
    mode: has(setattr.MODE) ? mode : undefined,
    uid: has(setattr.UID) ? uid : undefined,
    gid: has(setattr.GID) ? gid : undefined,
    size: has(setattr.SIZE) ? size : undefined,
    atime: has(setattr.ATIME)
      ? time(has(setattr.ATIME_SET), request.atimeSec, request.atimeNsec)
      : undefined,
    mtime: has(setattr.MTIME)
      ? time(has(setattr.MTIME_SET), request.mtimeSec, request.mtimeNsec)
      : undefined,
    ctime: has(setattr.CTIME) ? 'now' : undefined,
  }
}

function time(isSet: boolean, seconds: number, nanoseconds: number): FileTime {
  return isSet ? { seconds, nanoseconds } : 'now'
}
