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

/** The front end does not keep to the protocol: its connection has to end. */
export class FrontendError extends Error {
  override readonly name = 'FrontendError'
}

/** One message of the front end. Its payload is good until the next call of {@link MessageChannel.next}. */
export interface FrontendMessage {
  readonly request: number
  /** Whether the front end wants to hear if the request has failed, for a request that has no answer of its own. */
  readonly needsReply: boolean
  readonly payload: DataView
  /** They belong to the receiver. */
  readonly descriptors: readonly number[]
}

/** The socket between a front end and this backend: whole messages, with the descriptors that come along. */
export class MessageChannel {
  readonly fd: number
  readonly #memory: SystemMemory = systemMemory(HEADER_BYTES + PAYLOAD_MAX)
  readonly #answer: SystemMemory = systemMemory(HEADER_BYTES + PAYLOAD_MAX)
  #arrived = 0
  #descriptors: number[] = []

  /** @param fd a connected unix socket, which the channel owns from now on. */
  constructor(fd: number) {
    this.fd = fd
  }

  /**
   * The next message, or undefined while not all of it is there.
   *
   * @returns `'end'` when the front end has closed the connection.
   * @throws FrontendError for a malformed message, ErrnoError as recvmsg(2).
   */
  next(): FrontendMessage | 'end' | undefined {
    const { view, address } = this.#memory
    for (;;) {
      const wanted = this.#wanted()
      if (this.#arrived === wanted) break
      // Not beyond the end of the message: the next message may have descriptors of its own.
      const { bytes, descriptors } = receiveWithDescriptors(
        this.fd,
        address + this.#arrived,
        wanted - this.#arrived,
      )
      this.#descriptors.push(...descriptors)
      // Each part of a message may bring some.
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

  /** How many bytes the message has; of its header alone until that has arrived. */
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
   * Answers the request of that number.
   *
   * @param fill writes the payload, which begins at 0, and returns how many bytes it has.
   * @throws FrontendError when the front end takes no answers.
   */
  reply(number: number, fill: (payload: DataView) => number): void {
    const { view, address } = this.#answer
    view.setUint32(0, number, true)
    view.setUint32(4, VERSION | REPLY, true)
    const size = fill(new DataView(view.buffer, HEADER_BYTES))
    view.setUint32(8, size, true)
    // There is room: the front end waits for this answer before it sends another request.
    const sent = sendWithDescriptors(this.fd, address, HEADER_BYTES + size, [])
    if (sent !== HEADER_BYTES + size) throw new FrontendError('the frontend takes no answers')
  }

  close(): void {
    for (const descriptor of this.#descriptors) discard(descriptor)
    this.#descriptors = []
    discard(this.fd)
  }
}
