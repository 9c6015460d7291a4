import { ErrnoError } from '../../src/sys/errno.ts'
import { systemMemory } from '../../src/sys/system-memory.ts'
import {
  decodeReply,
  limits,
  type MessageName,
  type R,
  Reader,
  run,
  type T,
} from '../../src/9p/index.ts'
import { defaultLimits, type SessionLimits } from '../../src/session/session-limits.ts'
import type { SavedSession } from '../../src/9p/saved-session.ts'
import { Session } from '../../src/9p/session.ts'
import type { ReplyPlace } from '../../src/sys/reply-place.ts'
import type { Exports } from '../../src/tree/tree.ts'
import { memoryOf, requestFrame } from './frames.ts'

/** One frame that the session has sent. */
export interface RawReply {
  readonly type: number
  readonly tag: number
  readonly frame: Buffer
}

/** A session whose client is the test: requests go in, replies are kept in the order they come. */
export class SessionProbe {
  readonly session: Session
  readonly log: string[] = []
  /** Replies that the test has not taken yet. */
  replies: RawReply[] = []
  /** How many requests were given up without an answer. */
  forgotten = 0
  /** Whether the session is told that no reply can leave; they are kept all the same. */
  isBackedUp = false
  readonly #place: ReplyPlace
  readonly #memory = systemMemory(1 << 21)
  #tag = 0

  /** @param msize 0 begins no conversation: the test says Tversion itself. */
  constructor(exports: Exports, msize = 8192, most: SessionLimits = defaultLimits) {
    // One memory, as the stream's outbox has: two replies that are made at the same time come out mixed.
    const isBackedUp = (): boolean => this.isBackedUp
    this.#place = {
      get isBackedUp() {
        return isBackedUp()
      },
      reserve: (bytes) => run(this.#memory, 64, bytes),
      payload: (headBytes, count) => run(this.#memory, 64 + headBytes, count),
      forget: () => this.forgotten++,
      commit: (headBytes, payloadBytes): void =>
        this.#keep(this.#memory.bytes.subarray(64, 64 + headBytes + payloadBytes)),
    }
    this.session = new Session(exports, (line) => this.log.push(line), most)
    if (msize > 0) this.call('version', { msize, version: limits.VERSION })
  }

  /** Goes on with another's conversation, as it would be written down. */
  load(saved: SavedSession): this {
    this.session.load(JSON.parse(JSON.stringify(saved)) as SavedSession, this.#place)
    return this
  }

  /** Sends a request and leaves its reply, if there is one already, in {@link replies}. */
  send<M extends MessageName>(tag: number, name: M, fields: T<M>): void {
    this.sendRaw(requestFrame(tag, name, fields))
  }

  sendRaw(frame: Uint8Array): void {
    // A client's frames lie anywhere, behind others.
    const memory = systemMemory(9 + frame.length + 9)
    memory.bytes.fill(0xee).set(frame, 9)
    this.session.receive(memory, 9, frame.length, this.#place)
  }

  /**
   * Sends a request that is answered at once; others that it wakes leave their replies in {@link replies}.
   *
   * @throws ErrnoError for an Rlerror.
   */
  call<M extends MessageName>(name: M, fields: T<M>): R<M> {
    // Not those that tests choose for what waits.
    const tag = name === 'version' ? limits.NOTAG : 1000 + (this.#tag++ % 1000)
    const before = this.replies.length
    this.send(tag, name, fields)
    const since = this.replies.slice(before)
    const [reply, ...more] = since.filter((each) => each.tag === tag)
    if (reply === undefined || more.length > 0) {
      throw new Error(`T${name} had ${more.length + (reply ? 1 : 0)} replies`)
    }
    this.replies = this.replies.filter((each) => each !== reply)
    return fieldsOf(name, reply)
  }

  /** The same, for a request that is refused: the errno. */
  errnoOf<M extends MessageName>(name: M, fields: T<M>): number {
    try {
      this.call(name, fields)
    } catch (error) {
      if (error instanceof ErrnoError) return error.errno
      throw error
    }
    return 0
  }

  /** The root becomes fid 0. */
  attach(fid = 0, uid = 0): this {
    this.call('attach', { fid, afid: limits.NOFID, uname: '', aname: '', uid })
    return this
  }

  /** `newfid` becomes the file at the end of `path`, from fid 0 on. */
  walk(newfid: number, path: string): this {
    const names = path.split('/').filter((name) => name !== '')
    const { qids } = this.call('walk', { fid: 0, newfid, names })
    if (qids.length < names.length) throw new Error(`there is no ${path}`)
    return this
  }

  open(fid: number, flags = 0): this {
    this.call('lopen', { fid, flags })
    return this
  }

  #keep(frame: Buffer): void {
    const msize = this.session.msize || limits.MSIZE_MIN
    if (frame.readUInt32LE(0) !== frame.length)
      throw new Error('size[4] is not the size of the frame')
    // The client's stream transport takes no reply that is as large as msize.
    if (frame.length >= msize) throw new Error(`a reply of ${frame.length} bytes, msize ${msize}`)
    this.replies.push({ type: frame[4]!, tag: frame.readUInt16LE(5), frame: Buffer.from(frame) })
  }
}

/** What a reply to `name` says. @throws ErrnoError for an Rlerror. */
export function fieldsOf<M extends MessageName>(name: M, { type, frame }: RawReply): R<M> {
  const memory = memoryOf(frame)
  const reply = decodeReply(name, type, new Reader(memory).over(memory, 7, frame.length))
  if (!reply.ok) throw new ErrnoError(reply.ecode, `T${name}`)
  return reply.fields
}
