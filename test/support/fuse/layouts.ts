import { opcodeAt, requestOfOpcode } from '../../../src/fuse/wire/codec.ts'
import {
  IN_HEADER_BYTES,
  OUT_HEADER_BYTES,
  WRITE_HEADER_BYTES,
} from '../../../src/fuse/wire/limits.ts'
import type { MessageName } from '../../../src/fuse/wire/messages.ts'
import { memoryOf } from '../frames.ts'
import { type Layout, type Piece, laidOut, pages } from '../vhost-user/layouts.ts'

/** The requests whose replies Linux takes right into pages (`out_pages` in fs/fuse/). */
const readsIntoPages: ReadonlySet<MessageName | undefined> = new Set<MessageName>([
  'read',
  'readdir',
  'readdirplus',
  'readlink',
])

/**
 * As Linux does (virtio_fs_enqueue_req in fs/fuse/virtio_fs.c): the header by itself, all fields together in a buffer of
 * their own, and behind them the pages of what is read or written; the reply in the same way. What has no reply is in one
 * piece (virtio_fs_send_forget).
 */
export const linuxFuse: Layout = (ram, heap, frame, room) => {
  const opcode = frame.length < IN_HEADER_BYTES ? 0 : opcodeAt(memoryOf(frame.subarray(0, 8)), 0)
  const name = requestOfOpcode(opcode)?.name
  if (room === 0) return laidOut(ram, heap, frame, [{ length: frame.length }], [], true)
  const fields = name === 'write' ? WRITE_HEADER_BYTES : frame.length
  const out = headed(frame.length, IN_HEADER_BYTES, fields)
  const into = headed(room, OUT_HEADER_BYTES, readsIntoPages.has(name) ? OUT_HEADER_BYTES : room)
  return laidOut(ram, heap, frame, out, into, true)
}

/** Pieces for `bytes`: a header, what lies between it and `paged`, and pages. */
function headed(bytes: number, header: number, paged: number): Piece[] {
  const head = Math.min(bytes, header)
  const fields = Math.max(0, Math.min(bytes, paged) - head)
  const rest = bytes - head - fields
  return [
    { length: head },
    ...(fields > 0 ? [{ length: fields }] : []),
    // Page cache pages begin at their beginning, those of direct I/O wherever the program's buffer does.
    ...pages(rest, rest % 4096 === 0 ? 0 : 300),
  ]
}
