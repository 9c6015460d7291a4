import { errno, ErrnoError } from '../../../src/sys/errno.ts'
import { receiveWithDescriptors, sendWithDescriptors } from '../../../src/sys/descriptor-passing.ts'
import { discard } from '../../../src/sys/files.ts'
import { systemMemory } from '../../../src/sys/system-memory.ts'
import { POLLIN, PollSet } from '../../../src/sys/poll.ts'
import { connectUnix } from '../../../src/sys/sockets.ts'
import type { MemoryRegion } from '../../../src/transport/vhost-user/guest-memory.ts'
import { request, type RequestName } from '../../../src/transport/vhost-user/requests.ts'

/** Flags of a message (vhost-user.rst, "Header"). */
export const VERSION = 1
export const REPLY = 4
export const NEED_REPLY = 8

const HEADER_BYTES = 12

/** How long a backend may take for an answer, in milliseconds: it answers at once. */
const PATIENCE = 20_000

/** One answer of the backend's. */
export interface Answer {
  readonly request: number
  readonly flags: number
  readonly payload: Buffer
}

/**
 * The socket of a VMM: messages of vhost-user with descriptors, right ones and wrong ones, on this thread,
 * which waits for answers.
 */
export class Frontend implements Disposable {
  readonly fd: number
  readonly #memory = systemMemory(1 << 16)
  #isOpen = true

  constructor(path: string) {
    this.fd = connectUnix(path)
  }

  /** Sends bytes as they are. */
  sendBytes(bytes: Uint8Array, descriptors: readonly number[] = []): void {
    this.#memory.bytes.set(bytes)
    const sent = sendWithDescriptors(this.fd, this.#memory.address, bytes.length, descriptors)
    if (sent !== bytes.length) throw new Error(`${sent} of ${bytes.length} bytes were sent`)
  }

  send(
    what: RequestName | number,
    payload: Uint8Array = Buffer.alloc(0),
    descriptors: readonly number[] = [],
    flags = VERSION,
  ): void {
    this.sendBytes(messageBytes(what, payload, flags), descriptors)
  }

  /** The backend's next answer; undefined when it has closed the connection instead. */
  answer(): Answer | undefined {
    const header = this.#receive(HEADER_BYTES)
    if (header === undefined) return undefined
    const payload = this.#receive(header.readUInt32LE(8))
    if (payload === undefined) return undefined
    return { request: header.readUInt32LE(0), flags: header.readUInt32LE(4), payload }
  }

  /** Sends a request that has an answer, and returns its payload. */
  ask(what: RequestName, payload?: Uint8Array, descriptors?: readonly number[], more = 0): Buffer {
    this.send(what, payload, descriptors, VERSION | more)
    const answer = this.answer()
    if (answer?.request !== request[what] || answer.flags !== (VERSION | REPLY)) {
      throw new Error(`${what} was answered ${JSON.stringify(answer ?? 'with the end')}`)
    }
    return answer.payload
  }

  /** Sends a request that has no answer of its own, and returns how it came out: 0 where it did well. */
  acknowledged(
    what: RequestName,
    payload: Uint8Array,
    descriptors: readonly number[] = [],
  ): bigint {
    return this.ask(what, payload, descriptors, NEED_REPLY).readBigUInt64LE()
  }

  /** Returns when all messages before have been done. */
  settle(): void {
    this.ask('GET_FEATURES')
  }

  /** Whether the backend closes the connection, and says nothing more. */
  isOver(): boolean {
    try {
      return this.#receive(1) === undefined
    } catch (error) {
      // The kernel's word for the same where the backend has not read all that was sent (unix(7)).
      return error instanceof ErrnoError && error.errno === errno.ECONNRESET
    }
  }

  #receive(length: number): Buffer | undefined {
    let done = 0
    while (done < length) {
      if (!isReadable(this.fd, PATIENCE)) throw new Error('the backend does not answer')
      const { bytes } = receiveWithDescriptors(this.fd, this.#memory.address + done, length - done)
      if (bytes === 0) return undefined
      if (bytes > 0) done += bytes
    }
    return Buffer.from(this.#memory.bytes.subarray(0, length))
  }

  /** As when a VMM dies. */
  close(): void {
    if (this.#isOpen) discard(this.fd)
    this.#isOpen = false
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** Whether the descriptor has something, or has it within the time. */
export function isReadable(fd: number, milliseconds: number): boolean {
  const set = new PollSet()
  set.add(fd, POLLIN)
  return set.wait(milliseconds) > 0
}

export function messageBytes(
  what: RequestName | number,
  payload: Uint8Array,
  flags = VERSION,
): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32LE(typeof what === 'number' ? what : request[what], 0)
  header.writeUInt32LE(flags, 4)
  header.writeUInt32LE(payload.length, 8)
  return Buffer.concat([header, payload])
}

export function u64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

/** "A vring state description", and all else that is numbers of 32 bits. */
export function u32s(...values: readonly number[]): Buffer {
  return Buffer.concat(
    values.map((value) => {
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32LE(value)
      return bytes
    }),
  )
}

/** "A vring address description". */
export function vringAddress(
  descriptors: number,
  used: number,
  available: number,
  index = 0,
): Buffer {
  return Buffer.concat([u32s(index, 0), u64(descriptors), u64(used), u64(available), u64(0)])
}

/** "Memory regions description". */
export function memoryTable(regions: readonly MemoryRegion[]): Buffer {
  const rows = regions.map(({ guestAddress, size, userAddress, offset }) =>
    Buffer.concat([u64(guestAddress), u64(size), u64(userAddress), u64(offset)]),
  )
  return Buffer.concat([u32s(regions.length, 0), ...rows])
}
