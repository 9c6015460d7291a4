import { type Stats, constants } from 'node:fs'
import { type FileHandle, lstat, open, readdir } from 'node:fs/promises'
import { ErrnoError, errno } from '../sys/errno.ts'
import { lseek } from '../sys/files.ts'
import { isSystemError } from '../util/error.ts'

/** The parts of a sparse file begin at multiples of this, in bytes. File systems keep blocks that it is a multiple of. */
export const SPARSE_BLOCK = 64 * 1024

/** The smallest hole that is kept, in bytes. Each hole costs a dd in the guest, and so do so many zeros. */
const HOLE = 1 << 20

/** lseek(2). */
const SEEK_DATA = 3
const SEEK_HOLE = 4

/** A part of a file that is not a hole, in bytes. */
export interface DataRange {
  /** A multiple of {@link SPARSE_BLOCK}. */
  readonly start: number
  readonly end: number
}

/** An open file of the host with holes that are worth keeping. */
export class SparseSource implements AsyncDisposable {
  readonly handle: FileHandle
  readonly ranges: readonly DataRange[]
  /** In bytes. */
  readonly size: number
  readonly mode: number
  /** In seconds since 1970. */
  readonly mtime: number

  private constructor(handle: FileHandle, ranges: readonly DataRange[], stats: Stats) {
    this.handle = handle
    this.ranges = ranges
    this.size = stats.size
    this.mode = stats.mode & 0o7777
    this.mtime = Math.floor(stats.mtimeMs / 1000)
  }

  /** Opens a regular file, with holes or without. @throws Node's error of open(2). */
  static async open(path: string | Buffer): Promise<SparseSource> {
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const stats = await handle.stat()
      return new SparseSource(handle, dataRanges(handle.fd, stats.size), stats)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /**
   * Opens a file whose `stats` say that it may be sparse.
   *
   * @returns undefined for every other file, which is not opened, and where the holes are too small.
   * @throws Node's error of open(2).
   */
  static async openSparse(path: string | Buffer, stats: Stats): Promise<SparseSource | undefined> {
    if (!stats.isFile() || stats.size - stats.blocks * 512 < HOLE) return undefined
    const source = await SparseSource.open(path)
    if (source.holes >= HOLE) return source
    await source[Symbol.asyncDispose]()
    return undefined
  }

  /** All holes together, in bytes. */
  get holes(): number {
    return this.ranges.reduce((left, { start, end }) => left - (end - start), this.size)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.handle.close()
  }
}

/**
 * Finds the sparse files below a directory. Those with several hard links are left out: they would become several files.
 *
 * @returns byte strings that begin with `./`, as tar calls the files.
 */
export async function findSparse(directory: string): Promise<string[]> {
  const found: string[] = []
  const places = ['.']
  for (let place = places.pop(); place !== undefined; place = places.pop()) {
    const at = hostPath(directory, place)
    // What cannot be read is left to tar, which says so.
    const entries = await readdir(at, { withFileTypes: true, encoding: 'buffer' }).catch(nothing)
    for (const entry of entries ?? []) {
      const path = `${place}/${entry.name.toString('latin1')}`
      if (entry.isDirectory()) places.push(path)
      else if (entry.isFile() && (await isSparse(hostPath(directory, path)))) found.push(path)
    }
  }
  return found
}

/** The path of a file below a directory, for Node. @param path a byte string. */
export function hostPath(directory: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(path, 'latin1')])
}

async function isSparse(path: Buffer): Promise<boolean> {
  const stats = await lstat(path).catch(nothing)
  if (stats === undefined || stats.nlink !== 1) return false
  await using source = await SparseSource.openSparse(path, stats).catch(nothing)
  return source !== undefined
}

function nothing(error: unknown): undefined {
  if (!isSystemError(error)) throw error
}

/** The parts with data. Holes that are too small, or not of whole blocks, count as data. */
function dataRanges(fd: number, size: number): DataRange[] {
  const ranges: { start: number; end: number }[] = []
  for (let at = 0; at < size;) {
    const data = seek(fd, at, SEEK_DATA, size)
    if (data >= size) break
    const hole = seek(fd, data, SEEK_HOLE, size)
    const start = data - (data % SPARSE_BLOCK)
    const last = ranges.at(-1)
    if (last !== undefined && start - last.end < HOLE) last.end = hole
    else ranges.push({ start, end: hole })
    at = hole
  }
  return ranges
}

function seek(fd: number, from: number, whence: number, size: number): number {
  try {
    return Math.min(lseek(fd, from, whence), size)
  } catch (error) {
    // Nothing but a hole follows.
    if (error instanceof ErrnoError && error.errno === errno.ENXIO) return size
    throw error
  }
}
