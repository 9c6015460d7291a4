/**
 * 9P2000.L: the table of messages and its codec (wire/), the session of one client with its fids, and a
 * client.
 *
 * index.ts is the public face of the room, `lowerdir/9p`.
 */

import { ErrnoError, errno, errnoOf } from '../sys/errno.ts'
import { type Memory, type Pieces, heapMemory } from '../sys/memory.ts'
import type { ReplyPlace } from '../sys/reply-place.ts'
import { Deferred, type Outcome } from '../tree/deferred.ts'
import type { Exports } from '../tree/tree.ts'
import { TryAgain } from '../tree/try-again.ts'
import type { DeferredRequest } from '../session/deferred-requests.ts'
import { type Answer, type LateAnswer, handlers } from './handlers.ts'
import { type SavedSession, checkSaved, reviveFids, savedSession } from './saved-session.ts'
import {
  LimitError,
  LimitLog,
  type SessionLimits,
  defaultLimits,
} from '../session/session-limits.ts'
import { detail } from '../util/error.ts'
import { SessionState } from './session-state.ts'
import { repeated } from '../session/repeated.ts'
import { changesTree, checkTree } from './tree-changes.ts'
import { type Message, decodeRequest, requestOfType } from './wire/codec.ts'
import { NoRoomError, Reader } from '../wire/cursor.ts'
import { frameTag, frameType } from './wire/frame.ts'
import { HEADER_BYTES, MSIZE_MIN } from './wire/limits.ts'
import type { MessageName, PayloadMessage, R, T } from './wire/messages.ts'
import { ProtocolError } from '../wire/protocol-error.ts'

/** The requests that may be repeated: all that they ask for again has the same result, and they have no payload. */
const repeatable: ReadonlySet<MessageName> = new Set<MessageName>([
  'lopen',
  'lcreate',
  'setattr',
  'readlink',
])

/**
 * One client's session: version, fids, tags, and the way from a request to its reply. It does not know how
 * frames arrive or how the trees are implemented.
 */
export class Session extends SessionState {
  /**
   * Replies that became ready while another reply was being made, or while none could be sent. They are sent
   * one at a time.
   */
  readonly #ready: Ready[] = []
  #answering = false
  readonly #limitLog = new LimitLog(this.limits, this.log)
  readonly #reader = new Reader(heapMemory(0))

  constructor(
    exports: Exports,
    log: (line: string) => void,
    limits: SessionLimits = defaultLimits,
  ) {
    super(exports, log, limits)
  }

  /**
   * Answers one whole frame of `size` bytes at `start`, now or later, at `place`.
   *
   * @param tail the place of a Twrite's payload where it does not follow the header.
   * @throws ProtocolError for a malformed frame: the connection has to end. Nothing else is thrown.
   */
  receive(memory: Memory, start: number, size: number, place: ReplyPlace, tail?: Pieces): void {
    const tag = frameTag(memory, start)
    const message = requestOfType(frameType(memory, start))
    if (message === undefined) {
      this.#refuse(place, tag, errno.EOPNOTSUPP)
      return
    }
    if (this.msize === 0 && message.name !== 'version') {
      throw new ProtocolError('NO_VERSION', `T${message.name} before Tversion`)
    }
    if (this.deferred.has(tag) || this.postponed.has(tag)) {
      throw new ProtocolError('DUPLICATE_TAG', `tag ${tag} is in use by a request under way`)
    }
    const from = this.#reader.over(memory, start + HEADER_BYTES, start + size, tail)
    let request: T<MessageName>
    try {
      request = decodeRequest(message, from)
    } catch (error) {
      // Any process of the guest can cause such an offset, so it must not end the guest's mount.
      if (!(error instanceof ProtocolError) || error.code !== 'NUMBER_TOO_LARGE') throw error
      this.#refuse(place, tag, errno.EFBIG)
      return
    }
    if (this.postponed.concerns(message, place)) {
      const frame = Buffer.from(memory.bytes.subarray(start, start + size))
      this.postponed.add({ tag, message, request, place, frame })
      return
    }
    this.#answer(message, tag, request, place)
    const waiting = this.deferred.get(tag)
    // A Twrite whose payload lies elsewhere cannot be kept.
    if (waiting !== undefined && tail === undefined) {
      waiting.frame = Buffer.from(memory.bytes.subarray(start, start + size))
    }
  }

  /**
   * Makes the next of the replies that waited until they could leave.
   *
   * @returns whether there was one.
   */
  catchUp(): boolean {
    if (this.#ready.length > 0) {
      this.#ready.shift()?.deliver()
      return true
    }
    const postponed = this.postponed.next()
    if (postponed === undefined) return false
    const { message, tag, request, place, frame } = postponed
    this.#answer(message, tag, request, place)
    const waiting = this.deferred.get(tag)
    if (waiting !== undefined) waiting.frame = frame
    return true
  }

  /**
   * The session as plain data, from which {@link load} makes a session that goes on. This session goes on as
   * well. The data are its fids with all that is known of their files, open files with their locks, values of
   * xattrs that are being read or written, and requests that wait. A file that has lost its name cannot be
   * found again. Replies that are ready are sent first.
   *
   * @throws Error when a request waits whose bytes did not lie in one piece, as in a virtqueue.
   */
  save(): SavedSession {
    for (const { deliver } of this.#ready.splice(0)) deliver()
    const frames = [...this.deferred.frames, ...this.postponed.frames]
    return savedSession(
      this,
      frames.map((frame) => frame.toString('base64')),
    )
  }

  /**
   * Goes on from the state that {@link save} has returned. This session must not have begun. A fid whose file
   * cannot be found is ESTALE for all requests but Tclunk.
   *
   * @param place for the replies to the requests that waited.
   * @returns the number of such fids.
   * @throws Error as checkSaved.
   */
  load(saved: SavedSession, place: ReplyPlace): number {
    checkSaved(saved, this.limits)
    this.msize = saved.msize
    const lost = reviveFids(this, saved)
    if (lost > 0) this.log(`${lost} of its files are gone or have changed since it was saved`)
    for (const frame of saved.waiting) {
      const bytes = Buffer.from(frame, 'base64')
      const memory = heapMemory(bytes.length)
      memory.bytes.set(bytes)
      this.receive(memory, 0, bytes.length, place)
    }
    return lost
  }

  /** Ends the session: every fid is closed, every waiting request forgotten. */
  close(): void {
    this.reset()
  }

  #answer<M extends MessageName>(
    message: Message & { name: M },
    tag: number,
    request: T<M>,
    place: ReplyPlace,
  ): void {
    this.reply.begin(place, this.msize || MSIZE_MIN)
    this.#answering = true
    try {
      if (changesTree(message, request)) checkTree(this.fids, message.name, request)
      const answer = handlers[message.name](this, request)
      if (answer instanceof Deferred) this.#defer(message, tag, answer, place)
      else this.#reply(tag, message.name, answer)
    } catch (error) {
      this.#failOrRepeat(message, tag, request, place, error)
    }
    this.#answering = false
    while (this.#ready.length > 0) {
      if (this.#ready[0]?.place.isBackedUp === true) return
      this.#ready.shift()?.deliver()
    }
  }

  /**
   * A request has failed, or it is asked again later, since the tree would have to wait for another program. This is no `try` of
   * its own around the handler: to throw an error on would take as long as the rest of a walk to no file.
   */
  #failOrRepeat<M extends MessageName>(
    message: Message & { name: M },
    tag: number,
    request: T<M>,
    place: ReplyPlace,
    error: unknown,
  ): void {
    const { name } = message
    if (!(error instanceof TryAgain) || !repeatable.has(name)) {
      this.#fail(tag, name, error)
      return
    }
    const attempt = (): LateAnswer<M> | Deferred<LateAnswer<M>> =>
      handlers[name](this, request) as LateAnswer<M> | Deferred<LateAnswer<M>>
    try {
      this.#defer(message, tag, repeated(error, attempt), place)
    } catch (refused) {
      this.#fail(tag, name, refused)
    }
  }

  #defer<M extends MessageName>(
    message: Message & { name: M },
    tag: number,
    deferred: Deferred<LateAnswer<M>>,
    place: ReplyPlace,
  ): void {
    if (!this.mayDefer) {
      deferred.cancel()
      throw new LimitError('parked', errno.ENOMEM)
    }
    const request: DeferredRequest = { deferred, place, frame: undefined }
    this.deferred.add(tag, request)
    deferred.wait((outcome) => {
      const deliver = (): void => {
        if (this.deferred.finish(tag, request)) this.#deliver(message.name, tag, outcome, place)
      }
      if (this.#answering || place.isBackedUp) this.#ready.push({ place, deliver })
      else deliver()
    })
  }

  #deliver<M extends MessageName>(
    name: M,
    tag: number,
    outcome: Outcome<LateAnswer<M>>,
    place: ReplyPlace,
  ): void {
    this.reply.begin(place, this.msize)
    try {
      if (!outcome.ok) throw outcome.error
      const answer: object = outcome.value
      if (answer instanceof Uint8Array) this.reply.sendBytes(tag, name as PayloadMessage, answer)
      else this.reply.send(tag, name, answer as R<M>)
    } catch (error) {
      this.#fail(tag, name, error)
    }
  }

  #reply<M extends MessageName>(tag: number, name: M, answer: Answer<M>): void {
    if (typeof answer === 'number') this.reply.sendPayload(tag, name as PayloadMessage, answer)
    else this.reply.send(tag, name, answer as R<M>)
  }

  /** Refuses a request before any handler sees it. */
  #refuse(place: ReplyPlace, tag: number, ecode: number): void {
    this.reply.begin(place, this.msize || MSIZE_MIN)
    this.reply.sendError(tag, ecode)
  }

  /** Every failure becomes a reply here and nowhere else. */
  #fail(tag: number, name: MessageName, error: unknown): void {
    const { room } = this.reply
    let ecode = errnoOf(error)
    if (error instanceof LimitError) this.#limitLog.reached(error)
    else if (error instanceof NoRoomError && room < this.msize) {
      ecode = errno.EMSGSIZE
      this.log(`left ${room} bytes for the answer to T${name}, too few: it is EMSGSIZE instead`)
    } else if (!(error instanceof ErrnoError)) {
      this.log(`T${name} failed unexpectedly, answered ${ecode}: ${detail(error)}`)
    }
    this.reply.sendError(tag, ecode)
  }
}

/** A reply that is ready, and its place. */
interface Ready {
  readonly place: ReplyPlace
  readonly deliver: () => void
}
