import { ErrnoError, errno, errnoOf } from '../errno.ts'
import {
  type Message,
  decodeRequest,
  encodeError,
  encodeReply,
  requestOfType,
} from '../protocol/codec.ts'
import { Reader, Writer } from '../protocol/cursor.ts'
import { ProtocolError } from '../protocol/error.ts'
import { open } from '../protocol/flags.ts'
import { frameTag, frameType } from '../protocol/frame.ts'
import {
  HEADER_BYTES,
  IO_HEADER_BYTES,
  MSIZE_MAX,
  MSIZE_MIN,
  READ_OVERHEAD,
} from '../protocol/limits.ts'
import { type Memory, type Payload, heapMemory } from '../protocol/memory.ts'
import type { MessageName, R, T } from '../protocol/messages.ts'
import { type Outcome, Parked } from '../tree/parked.ts'
import type { LockClient, Tree } from '../tree/tree.ts'
import { AttributeMemory } from './attributes.ts'
import { FidTable } from './fids.ts'
import { handlers } from './handlers.ts'
import type { Outbox } from './outbox.ts'

/** What one connection may ask of the server. */
export interface SessionLimits {
  /** Largest message in bytes. */
  readonly msize: number
  /** Fids at once. */
  readonly fids: number
  /** Bytes of extended attributes that are being read or written; one more is ENOMEM. */
  readonly xattrBytes: number
  /** Ranges of files that are locked; one more is ENOLCK. */
  readonly locks: number
  /** Requests that wait; one more is ENOMEM, a lock is BLOCKED at once. */
  readonly parked: number
}

export const defaultLimits: SessionLimits = {
  msize: MSIZE_MAX,
  fids: 1 << 20,
  xattrBytes: 1 << 20,
  locks: 1 << 16,
  parked: 1024,
}

/**
 * One client's conversation: version, fids, tags, and the way from a request to its reply. It knows
 * neither where frames come from nor what the tree is made of.
 */
export class Session {
  readonly tree: Tree
  readonly limits: SessionLimits
  readonly fids: FidTable
  readonly attributes: AttributeMemory
  /** This session, to the locks of the tree. */
  readonly locks: LockClient
  /** Agreed message size in bytes; 0 before Tversion. */
  msize = 0
  /** Requests whose answer is still to come, by tag. */
  readonly #parked = new Map<number, { cancel(): void }>()
  /** Answers that became ready while another was being made: a frame at a time. */
  readonly #ready: (() => void)[] = []
  #answering = false
  readonly #outbox: Outbox
  readonly #reader = new Reader(heapMemory(0))
  readonly #log: (line: string) => void
  /** Where the reply under way is written. */
  #writer = new Writer(heapMemory(0))

  constructor(
    tree: Tree,
    outbox: Outbox,
    log: (line: string) => void,
    limits: SessionLimits = defaultLimits,
  ) {
    this.tree = tree
    this.limits = limits
    this.fids = new FidTable(limits.fids)
    this.attributes = new AttributeMemory(limits.xattrBytes)
    this.locks = { most: limits.locks, held: 0 }
    this.#outbox = outbox
    this.#log = log
  }

  /**
   * Answers one whole frame of `size` bytes at `start`.
   *
   * @throws ProtocolError for a malformed one: the connection has to end. Nothing else is thrown.
   */
  receive(memory: Memory, start: number, size: number): void {
    const tag = frameTag(memory, start)
    const message = requestOfType(frameType(memory, start))
    const writer = this.#outbox.reserve(this.msize || MSIZE_MIN)
    if (message === undefined) {
      this.#reply(writer, writer.position, tag, null, errno.EOPNOTSUPP)
      return
    }
    if (this.msize === 0 && message.name !== 'version') {
      throw new ProtocolError('NO_VERSION', `T${message.name} before Tversion`)
    }
    if (this.#parked.has(tag)) {
      throw new ProtocolError('DUPLICATE_TAG', `tag ${tag} is in use by a request under way`)
    }
    const from = this.#reader.over(memory, start + HEADER_BYTES, start + size)
    let request: T<MessageName>
    try {
      request = decodeRequest(message, from)
    } catch (error) {
      // Any process of the guest may ask for such an offset: no reason to end everybody's mount.
      if (!(error instanceof ProtocolError) || error.code !== 'NUMBER_TOO_LARGE') throw error
      this.#reply(writer, writer.position, tag, null, errno.EFBIG)
      return
    }
    this.#answer(message, tag, request, writer)
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
    for (const [tag, parked] of waiting) this.#cancel(tag, parked)
    this.fids.clear()
  }

  /** Forgets a request that waits; its tag may be used again once Rflush has gone out. */
  flush(tag: number): void {
    const parked = this.#parked.get(tag)
    this.#parked.delete(tag)
    if (parked !== undefined) this.#cancel(tag, parked)
  }

  /** Whatever goes wrong in the tree, the request is forgotten and the next one's turn comes. */
  #cancel(tag: number, parked: { cancel(): void }): void {
    try {
      parked.cancel()
    } catch (error) {
      this.#log(`the request with tag ${tag} could not be cancelled: ${detail(error)}`)
    }
  }

  /**
   * Where the payload of the reply under way lies: a read that fills it in place is not copied.
   * At most `count` bytes, and no more than the client's msize lets it accept.
   */
  replyPayload(count: number): Payload {
    const writer = this.#writer
    const length = Math.min(count, this.msize - IO_HEADER_BYTES)
    return { memory: writer.memory, offset: writer.position + READ_OVERHEAD, length }
  }

  /** Whether one more request may wait. */
  get mayPark(): boolean {
    return this.#parked.size < this.limits.parked
  }

  #answer<M extends MessageName>(
    message: Message & { name: M },
    tag: number,
    request: T<M>,
    writer: Writer,
  ): void {
    const start = writer.position
    this.#writer = writer
    this.#answering = true
    try {
      if (this.tree.readOnly && changesTree(message, request)) this.#refuse(message, request)
      const result = handlers[message.name](this, request)
      if (result instanceof Parked) this.#park(message, tag, result)
      else this.#reply(writer, start, tag, message.name, result)
    } catch (error) {
      this.#fail(writer, start, tag, message.name, error)
    }
    this.#answering = false
    for (let next = this.#ready.shift(); next !== undefined; next = this.#ready.shift()) next()
  }

  /** A request that would change a read-only tree. */
  #refuse<M extends MessageName>(message: Message & { name: M }, request: T<M>): never {
    // remove(5): the fid is gone all the same.
    if (message.name === 'remove') this.fids.remove((request as T<'remove'>).fid)
    throw new ErrnoError(errno.EROFS, message.name)
  }

  #park<M extends MessageName>(
    message: Message & { name: M },
    tag: number,
    parked: Parked<R<M>>,
  ): void {
    if (!this.mayPark) {
      parked.cancel()
      throw new ErrnoError(errno.ENOMEM, 'too many requests wait')
    }
    this.#parked.set(tag, parked)
    parked.wait((outcome) => {
      const deliver = (): void => {
        // It may have been flushed since.
        if (this.#parked.get(tag) === parked) this.#deliver(message, tag, outcome)
      }
      if (this.#answering) this.#ready.push(deliver)
      else deliver()
    })
  }

  #deliver<M extends MessageName>(
    message: Message & { name: M },
    tag: number,
    outcome: Outcome<R<M>>,
  ): void {
    this.#parked.delete(tag)
    const writer = this.#outbox.reserve(this.msize)
    const start = writer.position
    try {
      if (!outcome.ok) throw outcome.error
      this.#reply(writer, start, tag, message.name, outcome.value)
    } catch (error) {
      this.#fail(writer, start, tag, message.name, error)
    }
  }

  /** The one place where a failure of any kind becomes an answer. */
  #fail(writer: Writer, start: number, tag: number, name: MessageName, error: unknown): void {
    if (!(error instanceof ErrnoError)) {
      this.#log(`T${name} failed unexpectedly, answered ${errnoOf(error)}: ${detail(error)}`)
    }
    this.#reply(writer, start, tag, null, errnoOf(error))
  }

  #reply(writer: Writer, start: number, tag: number, name: null, ecode: number): void
  #reply<M extends MessageName>(
    writer: Writer,
    start: number,
    tag: number,
    name: M,
    fields: R<M>,
  ): void
  #reply(writer: Writer, start: number, tag: number, name: MessageName | null, value: never): void {
    writer.position = start
    if (name === null) encodeError(writer, tag, value)
    else encodeReply(writer, tag, name, value)
    this.#outbox.commit()
  }
}

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
