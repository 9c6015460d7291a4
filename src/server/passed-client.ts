import { begunSession } from '../9p/saved-session.ts'
import type { SystemMemory } from '../sys/system-memory.ts'
import type { SavedStream } from '../transport/stream/stream-session.ts'

/** A client that one process has accepted and another one serves. Its socket comes along with these data. */
export interface PassedClient {
  /** Its number in the log. */
  readonly number: number
  /** The index of the address at which it has connected, and the kind of that. */
  readonly place: number
  readonly kind: 'unix' | 'tcp'
  /** The agreed message size in bytes; 0 for a client whose session was saved, and is resumed. */
  readonly msize: number
  /** The bytes that were received and not answered. They begin with its Tattach. */
  readonly received: Uint8Array
}

/** number[4] place[4] msize[4] kind[4], then the received bytes. All of it stays on this machine. */
const HEADER_BYTES = 16
const kinds = ['unix', 'tcp'] as const

/**
 * The most bytes of one: the longest Tattach has two strings of 64 KiB, and behind it there is no more than was received with
 * its last part (connection.ts).
 */
export const PASSED_BYTES_MAX = HEADER_BYTES + 160 * 1024

/** @returns how many bytes it takes of the memory. @throws RangeError if there are too few. */
export function writePassed(memory: SystemMemory, client: PassedClient): number {
  const { bytes, view } = memory
  bytes.set(client.received, HEADER_BYTES)
  view.setUint32(0, client.number, true)
  view.setUint32(4, client.place, true)
  view.setUint32(8, client.msize, true)
  view.setUint32(12, kinds.indexOf(client.kind), true)
  return HEADER_BYTES + client.received.length
}

/** @param length the number of bytes that have arrived. @throws Error for what {@link writePassed} does not write. */
export function readPassed({ bytes, view }: SystemMemory, length: number): PassedClient {
  const kind = kinds[view.getUint32(12, true)]
  if (length < HEADER_BYTES || kind === undefined)
    throw new Error('what was passed on is no client')
  return {
    number: view.getUint32(0, true),
    place: view.getUint32(4, true),
    kind,
    msize: view.getUint32(8, true),
    received: Buffer.from(bytes.subarray(HEADER_BYTES, length)),
  }
}

/** The stream of a client before its first Tattach is answered. */
export function streamOf({ msize, received }: PassedClient): SavedStream {
  return {
    session: begunSession(msize),
    received: Buffer.from(received).toString('base64'),
    unsent: '',
  }
}
