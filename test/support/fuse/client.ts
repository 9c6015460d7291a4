import { Reader } from '../../../src/wire/cursor.ts'
import { ErrnoError } from '../../../src/sys/errno.ts'
import { decodeReply } from '../../../src/fuse/wire/codec.ts'
import { type MessageName, type R, messages } from '../../../src/fuse/wire/messages.ts'
import { memoryOf } from '../frames.ts'
import { type Asked, type Target, linuxInit, requestBytes, roomFor, uniqueOf } from './requests.ts'

/** What carries a client's requests to a FUSE session. */
export interface FuseChannel {
  /** To be set by the client, before it sends anything. A reply's bytes are its own. */
  onReply: (reply: Buffer) => void
  onEnd: (error: Error) => void
  /**
   * Sends one request.
   *
   * @param room how many bytes its reply may have; 0 for one that has none.
   * @param isUrgent whether it belongs into the queue of high priority.
   */
  send(request: Buffer, room: number, isUrgent: boolean): void
  close(): void
}

/** One method for each row of the table: `client.call.lookup({ name }, { nodeid })`. */
export type Methods = {
  readonly [M in MessageName]: (asked?: Asked<M>, target?: Target) => Promise<R<M>>
}

interface Waiting {
  readonly name: MessageName
  resolve(fields: never): void
  reject(error: Error): void
}

/** What virtio-fs sends through its queue of high priority. */
const urgent: ReadonlySet<MessageName> = new Set<MessageName>([
  'forget',
  'batchForget',
  'interrupt',
])

/**
 * A FUSE client, as the kernel of a guest is one. Many requests may be under way at once; each is a promise, which rejects
 * with an ErrnoError where the server answers with an errno. For requests without a reply it resolves at once.
 */
export class FuseClient {
  readonly call: Methods
  readonly #channel: FuseChannel
  readonly #waiting = new Map<number, Waiting>()
  #unique = 0
  #failure: Error | undefined

  constructor(channel: FuseChannel) {
    this.#channel = channel
    const names = Object.keys(messages) as MessageName[]
    this.call = Object.fromEntries(
      names.map((name) => [
        name,
        (asked: never, target?: Target) => this.request(name, asked, target),
      ]),
    ) as unknown as Methods
    channel.onReply = (reply) => this.#receive(reply)
    channel.onEnd = (error) => this.#fail(error)
  }

  /** A client that has said INIT as Linux does. */
  static async connect(channel: FuseChannel, changes: Asked<'init'> = {}): Promise<FuseClient> {
    const client = new FuseClient(channel)
    await client.call.init({ ...linuxInit, ...changes })
    return client
  }

  /** Sends a request. The promise resolves with its reply. */
  request<M extends MessageName>(name: M, asked?: Asked<M>, target?: Target): Promise<R<M>> {
    return this.send(name, asked, target).reply
  }

  /** Like {@link request}, but also returns the request's unique number, for INTERRUPT. */
  send<M extends MessageName>(
    name: M,
    asked: Asked<M> = {},
    target: Target = {},
  ): { readonly unique: number; readonly reply: Promise<R<M>> } {
    // As Linux, which has the odd numbers for interrupts.
    const unique = (this.#unique += 2)
    const room = roomFor(name, asked)
    const request = requestBytes(unique, name, asked, target)
    if (this.#failure !== undefined) return { unique, reply: Promise.reject(this.#failure) }
    const reply =
      room === 0
        ? Promise.resolve({} as R<M>)
        : new Promise<R<M>>((resolve, reject) => {
            this.#waiting.set(unique, { name, resolve, reject })
          })
    this.#channel.send(request, room, urgent.has(name))
    return { unique, reply }
  }

  /** How many requests have no reply yet. */
  get underWay(): number {
    return this.#waiting.size
  }

  close(): void {
    this.#channel.close()
    this.#fail(new Error('the client was closed'))
  }

  #receive(reply: Buffer): void {
    const waiting = this.#waiting.get(uniqueOf(reply))
    if (waiting === undefined) {
      this.#fail(new Error('the server answered a request that was not made'))
      return
    }
    this.#waiting.delete(uniqueOf(reply))
    try {
      waiting.resolve(fieldsOf(waiting.name, reply) as never)
    } catch (error) {
      waiting.reject(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error
    for (const waiting of this.#waiting.values()) waiting.reject(this.#failure)
    this.#waiting.clear()
  }
}

/** What a reply to `name` says. @throws ErrnoError for an errno, ProtocolError for bytes that are no reply. */
export function fieldsOf<M extends MessageName>(name: M, bytes: Buffer): R<M> {
  const memory = memoryOf(bytes)
  const reply = decodeReply(name, new Reader(memory).over(memory, 0, bytes.length))
  if (!reply.ok) throw new ErrnoError(reply.ecode, name)
  return reply.fields
}
