import { readFile } from 'node:fs/promises'
import { isElf } from '../util/elf-header.ts'
import { type Compression, type Decompressor, decompress } from './decompress.ts'

/**
 * Reads a kernel module as the bytes that the kernel loads, whether it is stored plain (.ko) or
 * compressed (.ko.gz, .ko.xz, .ko.zst).
 *
 * @throws NoDecompressorError where nothing here can decompress it; Error if the file cannot be read or is damaged.
 */
export async function readModule(file: string, how: Decompressor = {}): Promise<Uint8Array> {
  const stored = await readFile(file)
  const compression = compressionOf(file)
  const bytes =
    compression === undefined ? stored : await decompress(file, stored, compression, how)
  if (!isElf(bytes)) throw new Error(`${file} is not a kernel module.`)
  return bytes
}

/** How a module is compressed, from its name; undefined for a plain one. */
function compressionOf(file: string): Compression | undefined {
  const end = /\.ko\.(\w+)$/.exec(file)?.[1]
  switch (end) {
    case undefined:
    case 'gz':
    case 'xz':
    case 'zst':
      return end
    default:
      throw new Error(`${file} is compressed in a way that lowerdir does not know.`)
  }
}
