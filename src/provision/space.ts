import { statfs } from 'node:fs/promises'
import { ProvisionError } from './provision-error.ts'

/**
 * Makes sure that a disk has room before anything is downloaded to it. apt does not always notice a
 * disk that fills up: while it fetches an index it may wait for ever.
 *
 * @param bytes How much is about to be written.
 * @throws ProvisionError `disk-full`.
 */
export async function requireSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  const free = bavail * bsize
  if (free >= bytes) return
  throw new ProvisionError(
    'disk-full',
    `There is not enough room for downloads in ${folder}: ${megabytes(bytes)} are needed and ` +
      `${megabytes(free)} are free. Name a folder on another disk with LOWERDIR_CACHE.`,
  )
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`
}
