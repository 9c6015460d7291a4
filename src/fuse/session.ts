/**
 * FUSE as virtio-fs speaks it: the table of messages and its codec (wire/), and the session of one client with its nodes and
 * open files.
 */

import { ErrnoError, errno, errnoOf } from '../sys/errno.ts'
import { type Memory, type Pieces, heapMemory } from '../sys/memory.ts'
import type { ReplyPlace } from '../sys/reply-place.ts'
import { Aside } from './aside.ts'
import { repeated } from '../session/repeated.ts'
import {
  LimitError,
  LimitLog,
  type SessionLimits,
  defaultLimits,
} from '../session/session-limits.ts'
import { Deferred, type Outcome } from '../tree/deferred.ts'
import { changesFile } from '../tree/flags.ts'
import type { Later } from '../tree/later.ts'
import type { Exports } from '../tree/tree.ts'
import { TryAgain } from '../tree/try-again.ts'
import { detail } from '../util/error.ts'
import { NoRoomError, Reader } from '../wire/cursor.ts'
import { ProtocolError } from '../wire/protocol-error.ts'
import type { FusePolicy } from './caching.ts'
import { type Answer, type LateAnswer, handlers } from './handlers.ts'
import { checkSaved, reviveSession, savedSession } from './saved-session.ts'
import { type FuseDeferred, FuseSessionState } from './session-state.ts'
import {
  type Message,
  type RequestHeader,
  decodeRequest,
  fieldsEnd,
  headerAt,
  opcodeAt,
  requestOfOpcode,
} from './wire/codec.ts'
import { IN_HEADER_BYTES } from './wire/limits.ts'
import type { MessageName, R, T } from './wire/messages.ts'

/** The requests that may be repeated: all that they ask for again has the same result. */
const repeatable: ReadonlySet<MessageName> = new Set<MessageName>([
  'open',
  'create',
  'setattr',
  'readlink',
  'read',
  'lseek',
])

/**
 * One client's session: its nodes and open files, and the way from a request to its reply. It does not know how requests
 * arrive or how the tree is implemented.
 */
export class FuseSession extends FuseSessionState {
  /** Replies that became ready while another reply was being made. They are sent one at a time. */
  readonly #ready: (() => void)[] = []
  #answering = false
  readonly #limitLog = new LimitLog(this.limits, this.log)
  readonly #reader = new Reader(heapMemory(0))

  /** @param later for what the end of a session leaves to do. Without it, all of that is done at once. */
  constructor(
    exports: Exports,
    policy: FusePolicy,
    log: (line: string) => void,
    limits: SessionLimits = defaultLimits,
    later?: Later,
  ) {
    super(exports, policy, log, limits, later)
  }

  /**
   * Answers one whole request of `size` bytes at `start`, now or later, at `place`. For a request without a reply, the place
   * is given back.
   *
   * @param tail the place of a WRITE's data where they do not follow the fields.
   * @throws ProtocolError for a malformed request: the device has to stop. Nothing else is thrown.
   */
  receive(memory: Memory, start: number, size: number, place: ReplyPlace, tail?: Pieces): void {
    if (size < IN_HEADER_BYTES) {
      throw new ProtocolError('FRAME_TOO_SMALL', `a request of ${size} bytes`)
    }
    const end = fieldsEnd(memory, start, size)
    const header = headerAt(memory, start)
    const message = requestOfOpcode(opcodeAt(memory, start))
    if (message === undefined) {
      this.#refuse(place, header, errno.ENOSYS)
      return
    }
    if (this.features.minor === 0 && message.name !== 'init' && message.row.R !== null) {
      throw new ProtocolError('NO_INIT', `${message.name} before INIT`)
    }
    if (this.deferred.has(header.unique)) {
      const what = `${header.unique} is the number of a request under way`
      throw new ProtocolError('DUPLICATE_TAG', what)
    }
    const from = this.#reader.over(memory, start + IN_HEADER_BYTES, end, tail)
    // oxlint-disable-next-line typescript/no-generated-empty-object-type -- some messages have no fields
    let request: T<MessageName>
    try {
      request = decodeRequest(message, from)
    } catch (error) {
      // Any process of the guest can cause such an offset, so it must not end the guest's mount.
      if (!(error instanceof ProtocolError) || error.code !== 'NUMBER_TOO_LARGE') throw error
      this.#refuse(place, header, message.name === 'lseek' ? errno.ENXIO : errno.EFBIG)
      return
    }
    this.#answer(message, header, request, place)
  }

  /** Ends the wait of a request, which its client does not want to wait for any longer: EINTR. */
  interrupt(unique: number): void {
    const request = this.deferred.take(unique)
    if (request === undefined) return
    const { deferred, place, header } = request
    try {
      deferred.cancel()
    } finally {
      this.#refuse(place, header, errno.EINTR)
    }
  }

  /**
   * The session as plain data, from which {@link load} makes a session that goes on. This session goes on as well. Requests that
   * wait are not among them: their chains are the transport's.
   */
  save(): unknown {
    return savedSession(this)
  }

  /**
   * Goes on from what {@link save} has returned. Files that cannot be found again are ESTALE, with a line in the log.
   *
   * @throws Error with a sentence for data that are none.
   */
  load(data: unknown): void {
    const saved = checkSaved(data)
    if (saved === null) return
    this.attach()
    this.features = { minor: saved.minor, flags: BigInt(saved.flags) }
    const lost = reviveSession(this, saved)
    if (lost > 0) this.log(`${lost} of its files are gone or have changed since it was saved`)
  }

  /** Ends the session: every file is closed, every node and every waiting request forgotten. */
  close(): void {
    this.reset()
  }

  #answer<M extends MessageName>(
    message: Message & { name: M },
    header: RequestHeader,
    request: T<M>,
    place: ReplyPlace,
  ): void {
    if (message.row.R === null) {
      this.#obey(message, header, request)
      place.forget()
      return
    }
    this.reply.begin(place)
    this.#answering = true
    try {
      // Before anything is done: a client that hears of an error has not heard what was made.
      if (this.reply.room < message.replyBytes) throw new NoRoomError(message.name)
      if (changesTree(message, request) && this.tree.readOnly) {
        throw new ErrnoError(errno.EROFS, message.name)
      }
      const answer = handlers[message.name](this, request, header)
      if (answer instanceof Deferred) this.#defer(message, header, answer, place)
      else this.#reply(header, message.name, answer)
    } catch (error) {
      if (error instanceof ProtocolError) throw error
      this.#failOrRepeat(message, header, request, place, error)
    } finally {
      this.#answering = false
    }
    while (this.#ready.length > 0) this.#ready.shift()?.()
  }

  /** Does what a request without a reply asks for. */
  #obey<M extends MessageName>(
    { name }: Message & { name: M },
    header: RequestHeader,
    request: T<M>,
  ): void {
    try {
      handlers[name](this, request, header)
    } catch (error) {
      if (error instanceof ErrnoError) return
      this.log(`${name} failed unexpectedly: ${detail(error)}`)
    }
  }

  /**
   * A request has failed, or it is asked again later, since the tree would have to wait for another program. This is no `try` of
   * its own around the handler: to throw an error on would take as long as the rest of a lookup of no file.
   */
  #failOrRepeat<M extends MessageName>(
    message: Message & { name: M },
    header: RequestHeader,
    request: T<M>,
    place: ReplyPlace,
    error: unknown,
  ): void {
    const { name } = message
    if (!(error instanceof TryAgain) || !repeatable.has(name)) {
      this.#fail(header, name, error)
      return
    }
    try {
      const again = repeated(error, () => this.#repeat(name, header, request))
      this.#defer(message, header, again, place)
    } catch (refused) {
      this.#fail(header, name, refused)
    }
  }

  /** Does once more what is asked for. A payload is put aside: the place of the last reply is another request's. */
  #repeat<M extends MessageName>(
    name: M,
    header: RequestHeader,
    request: T<M>,
  ): LateAnswer<M> | Deferred<LateAnswer<M>> {
    const aside = new Aside()
    this.reply.begin(aside)
    const answer: unknown = handlers[name](this, request, header)
    const late = typeof answer === 'number' ? aside.bytes(answer) : answer
    return late as LateAnswer<M> | Deferred<LateAnswer<M>>
  }

  #defer<M extends MessageName>(
    message: Message & { name: M },
    header: RequestHeader,
    deferred: Deferred<LateAnswer<M>>,
    place: ReplyPlace,
  ): void {
    if (!this.mayDefer) {
      deferred.cancel()
      throw new LimitError('parked', errno.ENOMEM)
    }
    const { unique } = header
    const request: FuseDeferred = { deferred, place, frame: undefined, header }
    this.deferred.add(unique, request)
    deferred.wait((outcome) => {
      const deliver = (): void => {
        if (this.deferred.finish(unique, request)) {
          this.#deliver(message.name, header, outcome, place)
        }
      }
      if (this.#answering) this.#ready.push(deliver)
      else deliver()
    })
  }

  #deliver<M extends MessageName>(
    name: M,
    header: RequestHeader,
    outcome: Outcome<LateAnswer<M>>,
    place: ReplyPlace,
  ): void {
    this.reply.begin(place)
    try {
      if (!outcome.ok) throw outcome.error
      const answer: object = outcome.value
      if (answer instanceof Uint8Array) this.reply.sendBytes(header, answer)
      else this.reply.send(header, name, answer as R<M>)
    } catch (error) {
      this.#fail(header, name, error)
    }
  }

  #reply<M extends MessageName>(header: RequestHeader, name: M, answer: Answer<M>): void {
    if (typeof answer === 'number') this.reply.sendPayload(header, answer)
    else this.reply.send(header, name, answer as R<M>)
  }

  /** Refuses a request before any handler sees it. */
  #refuse(place: ReplyPlace, header: RequestHeader, ecode: number): void {
    this.reply.begin(place)
    this.reply.sendError(header, ecode)
  }

  /** Every failure becomes a reply here and nowhere else. */
  #fail(header: RequestHeader, name: MessageName, error: unknown): void {
    let ecode = errnoOf(error)
    if (error instanceof LimitError) this.#limitLog.reached(error)
    else if (error instanceof NoRoomError) {
      ecode = errno.EMSGSIZE
      this.log(`left ${this.reply.room} bytes for the answer to ${name}: it is EMSGSIZE instead`)
    } else if (!(error instanceof ErrnoError)) {
      this.log(`${name} failed unexpectedly, answered ${ecode}: ${detail(error)}`)
    }
    this.reply.sendError(header, ecode)
  }
}

/** Whether a request would change the tree. */
function changesTree<M extends MessageName>(
  { row }: Message & { name: M },
  request: T<M>,
): boolean {
  if (row.changes !== 'by flags') return row.changes === 'always'
  return changesFile((request as T<'open'>).flags)
}
