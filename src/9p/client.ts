import type { Duplex } from 'node:stream'
import { ErrnoError } from '../sys/errno.ts'
import { decodeReply, encodeRequest } from './wire/codec.ts'
import { Reader, Writer } from '../wire/cursor.ts'
import { frameSize, frameTag, frameType } from './wire/frame.ts'
import { HEADER_BYTES, MSIZE_MIN, NOTAG, VERSION } from './wire/limits.ts'
import { heapMemory } from '../sys/memory.ts'
import { type MessageName, type R, type T, messages } from './wire/messages.ts'

/** One method for each row of the table: `client.walk({ fid, newfid, names })`. */
export type Methods = { readonly [M in MessageName]: (request: T<M>) => Promise<R<M>> }

interface Waiting {
  readonly name: MessageName
  resolve(fields: never): void
  reject(error: Error): void
}

/**
 * A 9P2000.L client over any stream. Many requests may be under way at once; each is a promise. Names are
 * byte strings (util/text.ts), and the caller chooses fids.
 *
 * When the server answers with Rlerror, the request rejects with an ErrnoError. When the stream fails or
 * ends, all requests under way reject with its error.
 */
export class Client {
  /** The msize that Rversion has named, in bytes. */
  msize = MSIZE_MIN
  readonly call: Methods
  readonly #stream: Duplex
  readonly #waiting = new Map<number, Waiting>()
  #tag = 0
  #arrived: Buffer = Buffer.alloc(0)
  #failure: Error | undefined

  private constructor(stream: Duplex) {
    this.#stream = stream
    const names = Object.keys(messages) as MessageName[]
    this.call = Object.fromEntries(
      names.map((name) => [name, (request: never) => this.request(name, request)]),
    ) as unknown as Methods
    stream.on('data', (chunk: Buffer) => this.#receive(chunk))
    stream.on('error', (error) => this.#fail(error))
    // The server has ended its side, so no reply can come any more.
    stream.on('end', () => stream.destroy())
    stream.on('close', () => this.#fail(new Error('the 9P connection was closed')))
  }

  /**
   * Begins a session over `stream`, which the client owns from now on.
   *
   * @param msize largest message in bytes to ask for.
   */
  static async connect(stream: Duplex, msize = 131072): Promise<Client> {
    const client = new Client(stream)
    try {
      const agreed = await client.call.version({ msize, version: VERSION })
      if (agreed.version !== VERSION) {
        throw new Error(`the server speaks ${agreed.version}, not ${VERSION}`)
      }
      client.msize = agreed.msize
      return client
    } catch (error) {
      client.close()
      throw error
    }
  }

  /** Sends a request. The promise resolves with its reply. */
  request<M extends MessageName>(name: M, request: T<M>): Promise<R<M>> {
    return this.send(name, request).reply
  }

  /** Like {@link request}, but also returns the request's tag, for Tflush. */
  send<M extends MessageName>(
    name: M,
    request: T<M>,
  ): { readonly tag: number; readonly reply: Promise<R<M>> } {
    const tag = name === 'version' ? NOTAG : this.#freeTag()
    const reply = new Promise<R<M>>((resolve, reject) => {
      if (this.#failure !== undefined) throw this.#failure
      const memory = heapMemory(this.msize)
      const to = new Writer(memory).over(memory, 0, this.msize)
      encodeRequest(to, tag, name, request)
      this.#waiting.set(tag, { name, resolve, reject })
      this.#stream.write(memory.bytes.subarray(0, to.position))
    })
    return { tag, reply }
  }

  /**
   * Rejects a request that was flushed. The caller has received Rflush, so the server will not answer the
   * request any more (flush(5)).
   */
  forget(tag: number): void {
    this.#waiting.get(tag)?.reject(new Error('the request was flushed'))
    this.#waiting.delete(tag)
  }

  /** Ends the connection. The server then closes all fids. */
  close(): void {
    this.#stream.destroy()
  }

  #freeTag(): number {
    do this.#tag = (this.#tag + 1) % NOTAG
    while (this.#waiting.has(this.#tag))
    return this.#tag
  }

  #receive(chunk: Buffer): void {
    try {
      const all = this.#arrived.length === 0 ? chunk : Buffer.concat([this.#arrived, chunk])
      const memory = heapMemory(all.length)
      memory.bytes.set(all)
      let start = 0
      for (;;) {
        const size = frameSize(memory, start, all.length, this.msize)
        if (size === 0) break
        const waiting = this.#waiting.get(frameTag(memory, start))
        if (waiting === undefined)
          throw new Error('the server answered a request that was not made')
        const from = new Reader(memory).over(memory, start + HEADER_BYTES, start + size)
        const reply = decodeReply(waiting.name, frameType(memory, start), from)
        // Not before decoding: if the reply is malformed, #fail must reject this request as well.
        this.#waiting.delete(frameTag(memory, start))
        if (reply.ok) waiting.resolve(reply.fields as never)
        else waiting.reject(new ErrnoError(reply.ecode, `T${waiting.name}`))
        start += size
      }
      this.#arrived = all.subarray(start)
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)))
      this.#stream.destroy()
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error
    for (const waiting of this.#waiting.values()) waiting.reject(this.#failure)
    this.#waiting.clear()
  }
}
