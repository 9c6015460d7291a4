import type { Readable } from 'node:stream'

/** A record of the format: a header, or a part of a content. In bytes, as all sizes here. */
const RECORD = 512

/** The longest path and the longest target of a symlink: Linux's PATH_MAX without its NUL. */
export const PATH_BYTES = 4095

/** An archive is none, or one that no tar of a guest's agent writes. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError'
}

/** An archive ends in the middle: what has written it knows why. */
export class CutOffError extends ArchiveError {
  constructor() {
    super('the archive of the guest ends in the middle')
  }
}

/** What an entry of an archive stands for. */
export type EntryType = 'file' | 'directory' | 'symlink' | 'hard link' | 'special'

/** A file of an archive. Names are byte strings (latin1), as the guest has sent them. */
export interface ArchiveEntry {
  readonly type: EntryType
  /** Not empty, and at most 4095 bytes; otherwise anything, such as `../x` or `/x`. */
  readonly path: string
  /** Permission bits, with set-user-ID, set-group-ID and sticky. */
  readonly mode: number
  /** The time of the last change, in seconds since 1970. */
  readonly mtime: number
  /** The target of a symlink, or the path of a hard link's other name. */
  readonly target: string
  /** The content of a file, to be read before the next entry; what is not read is left out. */
  readonly content: AsyncIterable<Buffer>
}

/** Type flags of the format (tar(5), and GNU's extensions that busybox writes). */
const TYPES: Readonly<Record<string, EntryType>> = {
  '0': 'file',
  '\0': 'file',
  '1': 'hard link',
  '2': 'symlink',
  '3': 'special',
  '4': 'special',
  '5': 'directory',
  '6': 'special',
}

/** GNU tar's type flags: the content is the path, or the target, of the entry that follows. */
const LONG_PATH = 'L'
const LONG_TARGET = 'K'

/**
 * Reads an archive as busybox's tar writes it, from a guest that may send anything instead: each number is checked, and no
 * more than a name is kept in memory. Bytes behind the archive's end are read and left out.
 *
 * @throws ArchiveError for what busybox does not write; {@link CutOffError} at an early end; what reading the stream throws.
 */
export async function* readArchive(archive: Readable): AsyncGenerator<ArchiveEntry, void> {
  const bytes = new Bytes(archive)
  try {
    let path: string | undefined
    let target: string | undefined
    for (;;) {
      const header = await bytes.exactly(RECORD)
      // One record of zeros is the end already; a second one follows it, and often more.
      if (header.every((byte) => byte === 0)) break
      checkSum(header)
      const flag = header.toString('latin1', 156, 157)
      const size = number(header, 124, 12)
      if (flag === LONG_PATH || flag === LONG_TARGET) {
        const name = await longName(bytes, size)
        if (flag === LONG_PATH) path = name
        else target = name
        continue
      }
      const type = TYPES[flag]
      if (type === undefined) {
        throw new ArchiveError(
          `the guest has sent an entry of the unknown type ${JSON.stringify(flag)}`,
        )
      }
      // Only a file has a content, whatever the others say of their size.
      const content = new Content(bytes, type === 'file' ? size : 0)
      yield {
        type,
        path: path ?? text(header, 0, 100),
        mode: number(header, 100, 8) & 0o7777,
        mtime: number(header, 136, 12),
        target: target ?? text(header, 157, 100),
        content,
      }
      await content.skip()
      path = target = undefined
    }
    await bytes.drain()
  } finally {
    await bytes.close()
  }
}

async function longName(bytes: Bytes, size: number): Promise<string> {
  // It ends with a NUL.
  if (size > PATH_BYTES + 1) {
    throw new ArchiveError(
      `the guest has sent a name of ${size} bytes: at most ${PATH_BYTES} are allowed`,
    )
  }
  const content = await bytes.exactly(Math.ceil(size / RECORD) * RECORD)
  return text(content, 0, size)
}

/** A field up to its first NUL. */
function text(header: Buffer, start: number, length: number): string {
  const field = header.toString('latin1', start, start + length)
  const end = field.indexOf('\0')
  return end < 0 ? field : field.slice(0, end)
}

/** A number in octal digits, or in GNU's form for large ones: a byte 0x80 and then the number itself, big-endian. */
function number(header: Buffer, start: number, length: number): number {
  if (header[start] === 0x80) {
    const value = header.subarray(start + 1, start + length).toString('hex')
    return safe(Number.parseInt(value, 16))
  }
  const digits = text(header, start, length).trim()
  if (!/^[0-7]*$/.test(digits))
    throw new ArchiveError('the guest has sent a header with no number in it')
  return safe(digits === '' ? 0 : Number.parseInt(digits, 8))
}

function safe(value: number): number {
  if (Number.isSafeInteger(value)) return value
  throw new ArchiveError('the guest has sent a header with a number that is too large')
}

/** The sum of a header's bytes, with blanks in place of the sum itself. */
function checkSum(header: Buffer): void {
  let sum = 8 * 0x20
  for (const [at, byte] of header.entries()) if (at < 148 || at >= 156) sum += byte
  // NaN where there is no number.
  if (sum === Number.parseInt(text(header, 148, 8), 8)) return
  throw new ArchiveError('what the guest has sent is no archive')
}

/** The content of one entry. */
class Content implements AsyncIterable<Buffer> {
  readonly #bytes: Bytes
  #left: number
  #padding: number

  constructor(bytes: Bytes, size: number) {
    this.#bytes = bytes
    this.#left = size
    this.#padding = (RECORD - (size % RECORD)) % RECORD
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void> {
    while (this.#left > 0) {
      const piece = await this.#bytes.some(this.#left)
      this.#left -= piece.length
      yield piece
    }
  }

  /** Reads past the rest of it. */
  async skip(): Promise<void> {
    while (this.#left > 0) this.#left -= (await this.#bytes.some(this.#left)).length
    if (this.#padding > 0) await this.#bytes.exactly(this.#padding)
    this.#padding = 0
  }
}

/** The bytes of a stream, taken in pieces of any size. */
class Bytes {
  readonly #chunks: AsyncIterator<Buffer>
  #chunk: Buffer = Buffer.alloc(0)

  constructor(stream: Readable) {
    this.#chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  }

  /** At least one byte and at most `most`. The caller may not keep it. @throws CutOffError where the stream has ended. */
  async some(most: number): Promise<Buffer> {
    while (this.#chunk.length === 0) {
      const next = await this.#chunks.next()
      if (next.done === true) throw new CutOffError()
      this.#chunk = next.value
    }
    const piece = this.#chunk.subarray(0, most)
    this.#chunk = this.#chunk.subarray(piece.length)
    return piece
  }

  /** @param size at most some thousands: so much is kept in memory. */
  async exactly(size: number): Promise<Buffer> {
    const first = size === 0 ? Buffer.alloc(0) : await this.some(size)
    if (first.length === size) return first
    const whole = Buffer.alloc(size)
    let at = first.copy(whole)
    while (at < size) at += (await this.some(size - at)).copy(whole, at)
    return whole
  }

  /** Reads what is left, so that the writer can end. */
  async drain(): Promise<void> {
    this.#chunk = Buffer.alloc(0)
    while ((await this.#chunks.next()).done !== true);
  }

  /** Ends the stream where it has not ended. */
  async close(): Promise<void> {
    await this.#chunks.return?.()
  }
}
