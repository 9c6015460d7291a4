import { ErrnoError, errno, errnoName, errnoOf } from '../sys/errno.ts'
import {
  type Message,
  decodeRequest,
  encodeError,
  encodeReply,
  requestOfType,
} from './wire/codec.ts'
import { NoRoomError, Reader, Writer } from './wire/cursor.ts'
import { ProtocolError } from './wire/protocol-error.ts'
import { open } from './wire/flags.ts'
import { frameTag, frameType } from './wire/frame.ts'
import { HEADER_BYTES, IO_HEADER_BYTES, MSIZE_MIN, READ_OVERHEAD } from './wire/limits.ts'
import { type Memory, type Payload, type Pieces, heapMemory, run } from '../sys/memory.ts'
import { type MessageName, type R, type T, messages } from './wire/messages.ts'
import { type Outcome, Deferred } from '../tree/deferred.ts'
import type { Exports, LockClient, Tree } from '../tree/tree.ts'
import { AttributeMemory } from './xattr-values.ts'
import { FidTable } from './fids.ts'
import { handlers } from './handlers.ts'
import { LimitError, type LimitName, type SessionLimits, defaultLimits } from './session-limits.ts'
import { PostponedRequests } from './postponed.ts'
import type { ReplyPlace } from './reply-place.ts'
import { type SavedSession, checkSaved, reviveFids, savedSession } from './saved-session.ts'

/**
 * One client's conversation: version, fids, tags, and the way from a request to its reply. It knows
 * neither where frames come from nor what the trees are made of.
 */
export class Session {
  readonly exports: Exports
  readonly limits: SessionLimits
  readonly fids: FidTable
  readonly attributes: AttributeMemory
  /** This session, to the locks of the tree. */
  readonly locks: LockClient
  /** Agreed message size in bytes; 0 before Tversion. */
  msize = 0
  /** Requests whose answer is still to come, by tag. */
  readonly #parked = new Map<number, Waiting>()
  /** Requests that wait until replies can leave again. */
  readonly #postponed = new PostponedRequests()
  /** Answers that became ready while another was being made, or none could leave: a frame at a time. */
  readonly #ready: Ready[] = []
  #answering = false
  /** Those that the log has heard of. */
  readonly #reached = new Set<LimitName>()
  readonly #reader = new Reader(heapMemory(0))
  readonly #log: (line: string) => void
  /** Where the reply under way goes, and where it is written. */
  #place: ReplyPlace = nowhere
  #writer = new Writer(heapMemory(0))

  constructor(
    exports: Exports,
    log: (line: string) => void,
    limits: SessionLimits = defaultLimits,
  ) {
    this.exports = exports
    this.limits = limits
    this.fids = new FidTable(limits.fids)
    this.attributes = new AttributeMemory(limits.xattrBytes)
    const refusal = (): Error => new LimitError('locks', errno.ENOLCK)
    this.locks = { most: limits.locks, held: 0, refusal }
    this.#log = log
  }

  /**
   * Answers one whole frame of `size` bytes at `start`, now or later, at `place`.
   *
   * @param tail where the payload of a Twrite lies if it does not follow its header.
   * @throws ProtocolError for a malformed one: the connection has to end. Nothing else is thrown.
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
    if (this.#parked.has(tag) || this.#postponed.has(tag)) {
      throw new ProtocolError('DUPLICATE_TAG', `tag ${tag} is in use by a request under way`)
    }
    const from = this.#reader.over(memory, start + HEADER_BYTES, start + size, tail)
    let request: T<MessageName>
    try {
      request = decodeRequest(message, from)
    } catch (error) {
      // Any process of the guest may ask for such an offset: no reason to end everybody's mount.
      if (!(error instanceof ProtocolError) || error.code !== 'NUMBER_TOO_LARGE') throw error
      this.#refuse(place, tag, errno.EFBIG)
      return
    }
    if (this.#postponed.concerns(message, place)) {
      const frame = Buffer.from(memory.bytes.subarray(start, start + size))
      this.#postponed.add({ tag, message, request, place, frame })
      return
    }
    this.#answer(message, tag, request, place)
    const waiting = this.#parked.size === 0 ? undefined : this.#parked.get(tag)
    // To be asked again when the session is saved; a payload that lies elsewhere is not kept.
    if (waiting !== undefined && tail === undefined) {
      waiting.frame = Buffer.from(memory.bytes.subarray(start, start + size))
    }
  }

  /**
   * Makes the next of those replies that have waited until they can leave.
   *
   * @returns whether there was one.
   */
  catchUp(): boolean {
    if (this.#ready.length > 0) {
      this.#ready.shift()?.deliver()
      return true
    }
    const postponed = this.#postponed.next()
    if (postponed === undefined) return false
    const { message, tag, request, place, frame } = postponed
    this.#answer(message, tag, request, place)
    const waiting = this.#parked.get(tag)
    if (waiting !== undefined) waiting.frame = frame
    return true
  }

  /**
   * The conversation as plain data, with which {@link load} goes on in another session, while this one goes
   * on as well: its fids with all that is known of their files, open files with their locks, values of
   * attributes under way, and requests that wait. Files that have no name any more cannot be found again.
   * Answers that are ready go to their places first.
   *
   * @throws Error where a request waits whose bytes did not lie in one piece, as in a virtqueue.
   */
  save(): SavedSession {
    for (const { deliver } of this.#ready.splice(0)) deliver()
    const waiting = [...this.#parked].map(([tag, { frame }]) => {
      if (frame === undefined) throw new Error(`the request with tag ${tag} cannot be saved`)
      return frame
    })
    const frames = [...waiting, ...this.#postponed.frames]
    return savedSession(
      this,
      frames.map((frame) => frame.toString('base64')),
    )
  }

  /**
   * Goes on where {@link save} has left off: for a session that has not begun. Fids whose file is not to be
   * had are ESTALE for all requests but Tclunk.
   *
   * @param place where the answers go that were still to come.
   * @returns how many such fids there are.
   * @throws Error as checkSaved.
   */
  load(saved: SavedSession, place: ReplyPlace): number {
    checkSaved(saved, this.limits)
    this.msize = saved.msize
    const lost = reviveFids(this, saved)
    if (lost > 0) this.#log(`${lost} of its files are gone or have changed since it was saved`)
    for (const frame of saved.waiting) {
      const bytes = Buffer.from(frame, 'base64')
      const memory = heapMemory(bytes.length)
      memory.bytes.set(bytes)
      this.receive(memory, 0, bytes.length, place)
    }
    return lost
  }

  /** Ends the conversation: every fid is closed, every waiting request forgotten. */
  close(): void {
    this.reset()
  }

  /** What Tversion and the end of a connection have in common. */
  reset(): void {
    const waiting = [...this.#parked]
    // First of all: letting go of one may wake others, and nobody is to hear of them any more.
    this.#parked.clear()
    this.#postponed.clear()
    for (const [tag, parked] of waiting) this.#cancel(tag, parked)
    this.fids.clear()
  }

  /** Forgets a request that waits; its tag may be used again once Rflush has gone out. */
  flush(tag: number): void {
    const parked = this.#parked.get(tag)
    this.#parked.delete(tag)
    if (parked !== undefined) this.#cancel(tag, parked)
    this.#postponed.forget(tag)
  }

  /** Whatever goes wrong in the tree, the request is forgotten and the next one's turn comes. */
  #cancel(tag: number, { parked, place }: Waiting): void {
    try {
      parked.cancel()
    } catch (error) {
      this.#log(`the request with tag ${tag} could not be cancelled: ${detail(error)}`)
    } finally {
      place.forget()
    }
  }

  /**
   * Where the payload of the reply under way lies: a read that fills it in place is not copied.
   * At most `count` bytes, and no more than the client's msize lets it accept.
   */
  replyPayload(count: number): Payload {
    return this.#place.payload(this.#writer, Math.min(count, this.msize - IO_HEADER_BYTES))
  }

  /** The same in one run, for what is put together there instead of being read from somewhere. */
  replyRun(count: number): Payload {
    const payload = this.replyPayload(count)
    if ((payload.pieces?.count ?? 1) === 1) return payload
    const { memory, position } = this.#writer
    return run(memory, position + READ_OVERHEAD, payload.length)
  }

  /** Whether one more request may wait. */
  get mayDefer(): boolean {
    return this.#parked.size < this.limits.parked
  }

  #answer<M extends MessageName>(
    message: Message & { name: M },
    tag: number,
    request: T<M>,
    place: ReplyPlace,
  ): void {
    const writer = place.reserve(this.msize || MSIZE_MIN)
    const start = writer.position
    this.#place = place
    this.#writer = writer
    this.#answering = true
    try {
      if (changesTree(message, request)) this.#checkTree(message.name, request)
      const result = handlers[message.name](this, request)
      if (result instanceof Deferred) this.#park(message, tag, result, place)
      else this.#reply(place, writer, start, tag, message.name, result)
    } catch (error) {
      this.#fail(place, writer, start, tag, message.name, error)
    }
    this.#answering = false
    while (this.#ready.length > 0) {
      if (this.#ready[0]?.place.isBackedUp === true) return
      this.#ready.shift()?.deliver()
    }
  }

  /**
   * Whether what the request's fids stand for may be changed.
   *
   * @throws EROFS in a read-only tree, EXDEV where two fids are of different trees.
   */
  #checkTree<M extends MessageName>(name: M, request: T<M>): void {
    const fields = request as Readonly<Record<string, unknown>>
    let tree: Tree | undefined
    // Tremove gives back a fid that is lost, and such a one is of no tree.
    if (name === 'remove' && this.fids.lost.has((request as T<'remove'>).fid)) return
    for (const field of fidFields.get(name) ?? []) {
      const fid = this.fids.any(fields[field] as number)
      if (tree !== undefined && fid.attached.tree !== tree) throw new ErrnoError(errno.EXDEV, name)
      tree = fid.attached.tree
    }
    if (tree?.readOnly !== true) return
    // remove(5): the fid is gone all the same.
    if (name === 'remove') this.fids.remove((request as T<'remove'>).fid)
    throw new ErrnoError(errno.EROFS, name)
  }

  #park<M extends MessageName>(
    message: Message & { name: M },
    tag: number,
    parked: Deferred<R<M>>,
    place: ReplyPlace,
  ): void {
    if (!this.mayDefer) {
      parked.cancel()
      throw new LimitError('parked', errno.ENOMEM)
    }
    const waiting: Waiting = { parked, place, frame: undefined }
    this.#parked.set(tag, waiting)
    parked.wait((outcome) => {
      const deliver = (): void => {
        // It may have been flushed since.
        if (this.#parked.get(tag) === waiting) this.#deliver(message, tag, outcome, place)
      }
      if (this.#answering || place.isBackedUp) this.#ready.push({ place, deliver })
      else deliver()
    })
  }

  #deliver<M extends MessageName>(
    message: Message & { name: M },
    tag: number,
    outcome: Outcome<R<M>>,
    place: ReplyPlace,
  ): void {
    this.#parked.delete(tag)
    const writer = place.reserve(this.msize)
    const start = writer.position
    try {
      if (!outcome.ok) throw outcome.error
      this.#reply(place, writer, start, tag, message.name, outcome.value)
    } catch (error) {
      this.#fail(place, writer, start, tag, message.name, error)
    }
  }

  /** What no handler is asked about. */
  #refuse(place: ReplyPlace, tag: number, answer: number): void {
    const writer = place.reserve(this.msize || MSIZE_MIN)
    this.#reply(place, writer, writer.position, tag, null, answer)
  }

  /** The one place where a failure of any kind becomes an answer. */
  #fail(
    place: ReplyPlace,
    writer: Writer,
    start: number,
    tag: number,
    name: MessageName,
    error: unknown,
  ): void {
    const room = writer.end - start
    let answer = errnoOf(error)
    if (error instanceof LimitError) this.#limitReached(error)
    else if (error instanceof NoRoomError && room < this.msize) {
      answer = errno.EMSGSIZE
      this.#log(`left ${room} bytes for the answer to T${name}, too few: it is EMSGSIZE instead`)
    } else if (!(error instanceof ErrnoError)) {
      this.#log(`T${name} failed unexpectedly, answered ${answer}: ${detail(error)}`)
    }
    this.#reply(place, writer, start, tag, null, answer)
  }

  /** Once is enough: a client may ask as often as it likes. */
  #limitReached({ limit, errno: answer }: LimitError): void {
    if (this.#reached.has(limit)) return
    this.#reached.add(limit)
    const most = this.limits[limit]
    this.#log(`has reached its limit of ${most} ${limit}, more is answered ${errnoName(answer)}`)
  }

  #reply(
    place: ReplyPlace,
    writer: Writer,
    start: number,
    tag: number,
    name: null,
    ecode: number,
  ): void
  #reply<M extends MessageName>(
    place: ReplyPlace,
    writer: Writer,
    start: number,
    tag: number,
    name: M,
    fields: R<M>,
  ): void
  #reply(
    place: ReplyPlace,
    writer: Writer,
    start: number,
    tag: number,
    name: MessageName | null,
    value: never,
  ): void {
    writer.position = start
    writer.elsewhere = 0
    if (name === null) encodeError(writer, tag, value)
    else encodeReply(writer, tag, name, value)
    place.commit()
  }
}

/** A request whose answer is still to come, and where it will go. */
interface Waiting {
  readonly parked: { cancel(): void }
  readonly place: ReplyPlace
  frame: Buffer | undefined
}

/** An answer to such a request, and where it goes. */
interface Ready {
  readonly place: ReplyPlace
  readonly deliver: () => void
}

/** Before the first request. */
const nowhere: ReplyPlace = {
  isBackedUp: false,
  reserve: () => new Writer(heapMemory(0)),
  payload: ({ memory }) => run(memory, 0, 0),
  commit() {},
  forget() {},
}

/** The fields of each request that say which fids it works on. */
const fidFields: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries(messages).map(([name, { T: fields }]) => [
    name,
    Object.keys(fields).filter((field) => field.endsWith('fid')),
  ]),
)

function detail(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

function changesTree<M extends MessageName>(
  message: Message & { name: M },
  request: T<M>,
): boolean {
  if (message.row.changes !== 'by flags') return message.row.changes === 'always'
  const { flags } = request as T<'lopen'>
  return (flags & open.ACCMODE) !== open.RDONLY || (flags & open.TRUNC) !== 0
}
