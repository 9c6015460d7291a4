import { ftruncate, write } from 'node:fs'
import { open } from 'node:fs/promises'
import { promisify } from 'node:util'

/** Bytes in a block that becomes a hole if all of them are zero: the smallest that file systems keep. */
const BLOCK = 4096

const zeros = Buffer.alloc(BLOCK)

const writeAt = promisify(write)
const setSize = promisify(ftruncate)

/** Writes a new file in which blocks of zeros are holes. @throws what open(2), with O_EXCL, and pwrite(2) fail with. */
export async function writeSparse(file: string, content: Buffer): Promise<void> {
  await using handle = await open(file, 'wx', 0o644)
  const writer = new SparseWriter(handle.fd)
  await writer.write(content)
  await writer.end()
}

/** Writes the content of an empty file, from its beginning to its end. Blocks of zeros become holes. */
export class SparseWriter {
  readonly #fd: number
  #size = 0

  /** @param fd a descriptor of an empty regular file. It stays the caller's. */
  constructor(fd: number) {
    this.#fd = fd
  }

  /** Adds bytes. @throws Node's error of pwrite(2). */
  async write(bytes: Buffer): Promise<void> {
    // Where the bytes that are not written yet begin.
    let start = 0
    for (let at = 0; at < bytes.length;) {
      const next = Math.min(at + BLOCK - ((this.#size + at) % BLOCK), bytes.length)
      if (bytes.subarray(at, next).equals(zeros.subarray(0, next - at))) {
        await this.#put(bytes.subarray(start, at), this.#size + start)
        start = next
      }
      at = next
    }
    await this.#put(bytes.subarray(start), this.#size + start)
    this.#size += bytes.length
  }

  /** Gives the file its size: it may end with a hole. @throws Node's error of ftruncate(2). */
  async end(): Promise<void> {
    await setSize(this.#fd, this.#size)
  }

  async #put(bytes: Buffer, position: number): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const left = bytes.length - done
      done += (await writeAt(this.#fd, bytes, done, left, position + done)).bytesWritten
    }
  }
}
