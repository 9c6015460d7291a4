import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

/** How much of a file is read at once, in bytes. */
const CHUNK = 256 * 1024

/** The longest line, in bytes: more than any that a recorder writes. */
const LINE = 4 << 20

/** The most bytes that are read of one file: more than a recorder writes. */
const FILE = 64 << 20

/** A file of artifacts is not what it has to be. The message is a predicate of its path, without a full stop. */
export class ArtifactError extends Error {
  override readonly name = 'ArtifactError'
}

/** The lines of a file, and what is left out of them. */
export interface FileLines {
  readonly lines: readonly string[]
  /** How many lines are too long to be read, or reach into what is not read. */
  readonly tooLong: number
  /** How many bytes at the end of the file are not read. */
  readonly unread: number
}

/**
 * Opens a file of artifacts, which a guest may have made: no symlink is followed, and nothing but a regular file is opened,
 * so that a FIFO does not wait for its writer.
 *
 * @throws ArtifactError for anything else; Node's error, such as ENOENT, or ELOOP for a symlink.
 */
export async function openArtifact(path: string): Promise<FileHandle> {
  const handle = await open(
    path,
    constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY,
  )
  if ((await handle.stat()).isFile()) return handle
  await handle.close()
  throw new ArtifactError('is not a regular file')
}

/**
 * Reads lines, and keeps no more in memory than the lines themselves. Empty lines are left out.
 *
 * @throws as {@link openArtifact}.
 */
export async function readLines(path: string): Promise<FileLines> {
  await using file = await openArtifact(path)
  const lines: string[] = []
  let tooLong = 0
  let rest: Buffer[] = []
  let length = 0
  const endLine = (): void => {
    if (length > LINE) tooLong += 1
    else if (length > 0) lines.push(Buffer.concat(rest).toString())
    rest = []
    length = 0
  }
  const add = (bytes: Buffer): void => {
    length += bytes.length
    if (length > LINE) rest = []
    // A copy: the chunk is used again.
    else if (bytes.length > 0) rest.push(Buffer.from(bytes))
  }

  const chunk = Buffer.alloc(CHUNK)
  let position = 0
  while (position < FILE) {
    const { bytesRead } = await file.read(chunk, 0, CHUNK, position)
    if (bytesRead === 0) break
    position += bytesRead
    const bytes = chunk.subarray(0, bytesRead)
    let start = 0
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      add(bytes.subarray(start, end))
      endLine()
      start = end + 1
    }
    add(bytes.subarray(start))
  }
  const { size } = await file.stat()
  const unread = Math.max(0, size - position)
  if (unread === 0) endLine()
  else if (length > 0) tooLong += 1
  return { lines, tooLong, unread }
}
