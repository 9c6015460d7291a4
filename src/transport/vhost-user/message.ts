import { type SystemMemory, systemMemory } from '../../sys/system-memory.ts'
import {
  DESCRIPTORS_MAX,
  receiveWithDescriptors,
  sendWithDescriptors,
} from '../../sys/descriptor-passing.ts'
import { discard } from '../../sys/files.ts'

/** request[4] flags[4] size[4], then the payload (vhost-user.rst, "Message Specification"). */
const HEADER_BYTES = 12

/** The longest payload that is accepted, in bytes. The longest in use is a configuration space with its header, 268. */
const PAYLOAD_MAX = 1024

const VERSION_MASK = 0x3
const VERSION = 0x1
const REPLY = 0x4
const NEED_REPLY = 0x8

/** The front end has broken the protocol: its connection has to end. */
export class FrontendError extends Error {
  override readonly name = 'FrontendError'
}

/** A message of the front end. Its payload is valid until the next call of {@link MessageChannel.next}. */
export interface FrontendMessage {
  readonly request: number
  /** Whether the front end asks for an acknowledgement of a request that has no answer. */
  readonly needsReply: boolean
  readonly payload: DataView
  /** The descriptors that came with it. The receiver owns them. */
  readonly descriptors: readonly number[]
}

/** The socket between a front end and this backend: whole messages, with their descriptors. */
export class MessageChannel {
  readonly fd: number
  readonly #memory: SystemMemory = systemMemory(HEADER_BYTES + PAYLOAD_MAX)
  readonly #answer: SystemMemory = systemMemory(HEADER_BYTES + PAYLOAD_MAX)
  #arrived = 0
  #descriptors: number[] = []

  /** @param fd a connected unix socket. The channel owns it from now on. */
  constructor(fd: number) {
    this.fd = fd
  }

  /**
   * The next message; undefined while a part of it has not arrived.
   *
   * @returns `'end'` when the front end has closed the connection. @throws FrontendError for a malformed
   *   message, ErrnoError as recvmsg(2).
   */
  next(): FrontendMessage | 'end' | undefined {
    const { view, address } = this.#memory
    for (;;) {
      const wanted = this.#wanted()
      if (this.#arrived === wanted) break
      // Not beyond the end of the message: the next message may have descriptors, too.
      const { bytes, descriptors } = receiveWithDescriptors(
        this.fd,
        address + this.#arrived,
        wanted - this.#arrived,
      )
      this.#descriptors.push(...descriptors)
      // Each part of a message may come with some.
      if (this.#descriptors.length > DESCRIPTORS_MAX) {
        const count = this.#descriptors.length
        throw new FrontendError(
          `a message with ${count} descriptors, where ${DESCRIPTORS_MAX} are the most`,
        )
      }
      if (bytes < 0) return undefined
      if (bytes === 0) return 'end'
      this.#arrived += bytes
    }
    const message = {
      request: view.getUint32(0, true),
      needsReply: (view.getUint32(4, true) & NEED_REPLY) !== 0,
      payload: new DataView(view.buffer, HEADER_BYTES, this.#arrived - HEADER_BYTES),
      descriptors: this.#descriptors,
    }
    this.#arrived = 0
    this.#descriptors = []
    return message
  }

  /** The size of the message in bytes; of its header alone until that has arrived. */
  #wanted(): number {
    if (this.#arrived < HEADER_BYTES) return HEADER_BYTES
    const { view } = this.#memory
    const version = view.getUint32(4, true) & VERSION_MASK
    if (version !== VERSION) {
      throw new FrontendError(`a message of version ${version}, where there is only ${VERSION}`)
    }
    const size = view.getUint32(8, true)
    if (size > PAYLOAD_MAX) {
      throw new FrontendError(`a message of ${size} bytes, where ${PAYLOAD_MAX} are the most`)
    }
    return HEADER_BYTES + size
  }

  /**
   * Answers a request.
   *
   * @param fill writes the payload, which begins at 0, and returns its size in bytes.
   * @throws FrontendError when the front end takes no answers.
   */
  reply(number: number, fill: (payload: DataView) => number): void {
    const { view, address } = this.#answer
    view.setUint32(0, number, true)
    view.setUint32(4, VERSION | REPLY, true)
    const size = fill(new DataView(view.buffer, HEADER_BYTES))
    view.setUint32(8, size, true)
    // There is room: the front end sends no further request before it has this answer.
    const sent = sendWithDescriptors(this.fd, address, HEADER_BYTES + size, [])
    if (sent !== HEADER_BYTES + size) throw new FrontendError('the frontend takes no answers')
  }

  close(): void {
    for (const descriptor of this.#descriptors) discard(descriptor)
    this.#descriptors = []
    discard(this.fd)
  }
}
