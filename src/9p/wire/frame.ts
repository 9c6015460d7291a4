import { ProtocolError } from '../../wire/protocol-error.ts'
import { HEADER_BYTES } from './limits.ts'
import type { Memory } from '../../sys/memory.ts'

/**
 * The size of the frame that begins at `start`; 0 while a part of it has not arrived. Bytes have arrived up
 * to `end`.
 *
 * @throws ProtocolError for a size[4] that is below the header's size or above `msize`: the place of the next
 *   frame is then unknown.
 */
export function frameSize(memory: Memory, start: number, end: number, msize: number): number {
  if (end - start < 4) return 0
  const size = memory.view.getUint32(start, true)
  if (size < HEADER_BYTES) {
    throw new ProtocolError(
      'FRAME_TOO_SMALL',
      `size[4] is ${size}, below the header's ${HEADER_BYTES}`,
    )
  }
  if (size > msize) {
    throw new ProtocolError('FRAME_TOO_LARGE', `size[4] is ${size}, above the msize of ${msize}`)
  }
  return size <= end - start ? size : 0
}

/** type[1] of the frame at `start`. */
export function frameType(memory: Memory, start: number): number {
  return memory.view.getUint8(start + 4)
}

/** tag[2] of the frame at `start`. */
export function frameTag(memory: Memory, start: number): number {
  return memory.view.getUint16(start + 5, true)
}
