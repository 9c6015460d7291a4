import { systemMemory } from '../../sys/system-memory.ts'
import { CANNOT_TELL, IoVector, WOULD_WAIT, readCached } from '../../sys/vectors.ts'
import type { Payload } from '../../sys/memory.ts'

export { CANNOT_TELL }

/** The kernel's pages are this large, or a multiple of it. */
const PAGE_BYTES = 4096

const vector = new IoVector(1)
/** Where the probe's byte goes. In a variable that a function uses, so that it is not collected. */
const probed = systemMemory(8)

/**
 * Fills `into` from `offset` of a file on, if the page cache has all of it.
 *
 * @returns how many bytes, fewer than asked at the end of the file only; {@link WOULD_WAIT} where a disk
 *   has to be asked, {@link CANNOT_TELL} where the file system does not say.
 */
export function readIfCached(
  fd: number,
  offset: number,
  { memory, offset: at, length, pieces }: Payload,
): number {
  const read =
    pieces === undefined
      ? readRun(fd, memory.address + at, length, offset)
      : readCached(fd, pieces.vector, pieces.count, offset)
  // What is cached ends with a page, and hardly any file does.
  if (read <= 0 || read === length || (offset + read) % PAGE_BYTES !== 0) return read
  return readRun(fd, probed.address, 1, offset + read) === 0 ? read : WOULD_WAIT
}

function readRun(fd: number, address: number, length: number, offset: number): number {
  vector.clear()
  vector.add(address, length)
  return readCached(fd, vector.address, 1, offset)
}
