import { systemMemory } from '../../sys/system-memory.ts'
import { CANNOT_TELL, IoVector, WOULD_WAIT, readCached } from '../../sys/vectors.ts'
import type { Payload } from '../../sys/memory.ts'

export { CANNOT_TELL }

/** The kernel's page size is this or a multiple of it. */
const PAGE_BYTES = 4096

const vector = new IoVector(1)
/** The place of the probe's byte. A variable that a function uses is not collected. */
const probed = systemMemory(8)

/**
 * Fills `into` from `offset` of a file on, if the page cache has all of it.
 *
 * @returns how many bytes: fewer than asked for only at the end of the file. {@link WOULD_WAIT} if the read
 *   has to wait for a disk, {@link CANNOT_TELL} if the file system does not say.
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
  // A short read that ends with a page may mean that the next page is not cached. Hardly any file ends with a
  // page.
  if (read <= 0 || read === length || (offset + read) % PAGE_BYTES !== 0) return read
  return readRun(fd, probed.address, 1, offset + read) === 0 ? read : WOULD_WAIT
}

function readRun(fd: number, address: number, length: number, offset: number): number {
  vector.clear()
  vector.add(address, length)
  return readCached(fd, vector.address, 1, offset)
}
