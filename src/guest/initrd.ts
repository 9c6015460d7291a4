import { readFile } from 'node:fs/promises'

/** The first bytes of a cpio archive of the format "newc", and of one with checksums, which Linux reads since 6.0. */
const ARCHIVES = new Set(['070701', '070702'])

/** The first bytes of compressed files that Linux unpacks (lib/decompress.c): gzip, bzip2, lzma, xz, lzo, lz4, zstd. */
const COMPRESSIONS = new Set(['1f8b', '1f9e', '425a', '5d00', 'fd37', '894c', '0221', '28b5'])

/**
 * Reads the archive that comes first in an initramfs: one archive or several, each compressed or not
 * (Documentation/driver-api/early-userspace/buffer-format.rst).
 *
 * @returns the archive, padded with zeros to a multiple of 4 bytes, where cpio headers must start. There are at least 4
 *   zeros: the kernel finds the end of LZ4 data by them (lib/decompress_unlz4.c).
 * @throws Error when the file cannot be read, or is nothing that the kernel unpacks. The kernel would then not unpack the
 *   archives behind it either.
 */
export async function readInitrd(file: string): Promise<Uint8Array> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw new Error(`The initrd ${file} cannot be read: ${(error as Error).message}`, {
      cause: error,
    })
  })
  if (!isUnpacked(bytes)) {
    throw new Error(
      `The initrd ${file} is neither a cpio archive of the format "newc" nor a compressed one. ` +
        'In the folder that is to be its root, `find . | cpio -o -H newc` writes one.',
    )
  }
  return Buffer.concat([bytes, new Uint8Array(4 + (-bytes.length & 3))])
}

function isUnpacked(bytes: Buffer): boolean {
  return (
    ARCHIVES.has(bytes.toString('latin1', 0, 6)) || COMPRESSIONS.has(bytes.toString('hex', 0, 2))
  )
}
