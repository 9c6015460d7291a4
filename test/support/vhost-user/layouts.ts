import { limits } from '../../../src/9p/index.ts'
import { messages } from '../../../src/9p/wire/messages.ts'
import { Random } from '../../fuzz/random.ts'
import type { Part } from './driver-queue.ts'
import type { GuestHeap } from './guest-heap.ts'
import { type GuestRam, PAGE } from './guest-ram.ts'

/** A request in the guest's memory and the room for its answer: one chain. It owns its memory. */
export interface Chain {
  readonly parts: readonly Part[]
  /** The first `length` bytes of the room. */
  answer(length: number): Buffer
  free(): void
}

/**
 * How a driver lays out requests. Undefined where the guest has no memory for it now.
 *
 * @param room bytes that the answer may take.
 */
export type Layout = (
  ram: GuestRam,
  heap: GuestHeap,
  frame: Buffer,
  room: number,
) => Chain | undefined

/** A piece of memory to be taken: so many bytes, so far into their page or wherever. */
export interface Piece {
  readonly length: number
  readonly skip?: number
}

/** What Linux reads and writes without a copy: p9_client_read_once and its kin in net/9p/client.c. */
const ZERO_COPY_MIN = 1024
/** What it leaves for the answer to a Twrite (P9_ZC_HDR_SZ). */
const ZERO_COPY_HEADER = 4096

/**
 * As Linux does (net/9p/trans_virtio.c): each buffer is one run, which is split at the ends of its pages;
 * what is read or written without a copy has a header by itself and then one descriptor for each page, which
 * may be any pages.
 */
export const linux: Layout = (ram, heap, frame, room) => {
  const { read, readdir, write } = messages
  const type = frame[4]!
  const { READ_OVERHEAD, WRITE_HEADER_BYTES } = headers
  if (type === write.type && frame.length - WRITE_HEADER_BYTES > ZERO_COPY_MIN) {
    const out = [{ length: WRITE_HEADER_BYTES }, ...pages(frame.length - WRITE_HEADER_BYTES, 300)]
    return laidOut(ram, heap, frame, out, [{ length: Math.min(room, ZERO_COPY_HEADER) }], true)
  }
  if (type === read.type || type === readdir.type) {
    const count = Math.min(frame.readUInt32LE(19), room - READ_OVERHEAD)
    if (count > ZERO_COPY_MIN) {
      const into = [{ length: READ_OVERHEAD }, ...pages(count, 0)]
      return laidOut(ram, heap, frame, [{ length: frame.length }], into, true)
    }
  }
  return laidOut(ram, heap, frame, [{ length: frame.length }], [{ length: room }], true)
}

const headers = { READ_OVERHEAD: 11, WRITE_HEADER_BYTES: limits.WRITE_HEADER_BYTES }

/** The pages of a buffer that begins `skip` bytes into the first page. */
export function pages(bytes: number, skip: number): Piece[] {
  const pieces: Piece[] = []
  for (let left = bytes, into = skip; left > 0; into = 0) {
    const length = Math.min(left, PAGE - into)
    pieces.push({ length, skip: into })
    left -= length
  }
  return pieces
}

const random = new Random(2)

/** Cut anywhere, mostly in the middle of a field, with each piece somewhere else. */
export const scattered: Layout = (ram, heap, frame, room) =>
  laidOut(ram, heap, frame, cut(frame.length), cut(room), false)

function cut(bytes: number): Piece[] {
  const pieces: Piece[] = []
  for (let done = 0; done < bytes;) {
    // Small ones in front, where the fields are, and not too many of them in all.
    const most = done < 60 ? 13 : Math.max(PAGE, Math.ceil(bytes / 64))
    const length = Math.min(bytes - done, 1 + random.upTo(most - 1))
    pieces.push({ length })
    done += length
  }
  return pieces
}

/** A descriptor for each byte, as far as there may be so many. */
export const byteByByte: Layout = (ram, heap, frame, room) =>
  laidOut(ram, heap, frame, singles(frame.length), singles(room), false)

function singles(bytes: number): Piece[] {
  const alone = Math.min(bytes, 24)
  const pieces: Piece[] = Array.from({ length: alone }, () => ({ length: 1 }))
  return bytes > alone ? [...pieces, ...pages(bytes - alone, 4001)] : pieces
}

/** @param isSplit whether a piece that reaches over the end of a page has a descriptor for each page. */
export function laidOut(
  ram: GuestRam,
  heap: GuestHeap,
  frame: Buffer,
  out: readonly Piece[],
  into: readonly Piece[],
  isSplit: boolean,
): Chain | undefined {
  const taken: number[] = []
  const free = (): void => {
    for (const address of taken) heap.free(address)
  }
  const parts: Part[] = []
  const take = (pieces: readonly Piece[], isWritable: boolean): boolean => {
    for (const { length, skip } of pieces) {
      const address = heap.take(length, skip)
      if (address === undefined) return false
      taken.push(address)
      for (let done = 0; done < length;) {
        const room = PAGE - ((address + done) % PAGE)
        const part = isSplit ? Math.min(room, length - done) : length
        parts.push({ address: address + done, length: part, isWritable })
        done += part
      }
    }
    return true
  }
  if (!take(out, false) || !take(into, true)) {
    free()
    return undefined
  }
  let done = 0
  for (const { address, length, isWritable } of parts) {
    if (isWritable) continue
    ram.bytes(address, length).set(frame.subarray(done, done + length))
    done += length
  }
  const answer = (length: number): Buffer => {
    const bytes = Buffer.alloc(length)
    let at = 0
    for (const part of parts) {
      if (part.isWritable && at < length) at += ram.bytes(part.address, part.length).copy(bytes, at)
    }
    if (at < length) throw new Error(`${length} bytes in a room of ${at}`)
    return bytes
  }
  return { parts, answer, free }
}
