import { readFile } from 'node:fs/promises'

/** How a cpio archive of the format "newc" begins, and one with checksums, which Linux reads since 6.0. */
const ARCHIVES = new Set(['070701', '070702'])

/** How files begin that Linux unpacks, in hexadecimal (lib/decompress.c): gzip, bzip2, lzma, xz, lzo, lz4, zstd. */
const COMPRESSIONS = new Set(['1f8b', '1f9e', '425a', '5d00', 'fd37', '894c', '0221', '28b5'])

/**
 * Reads an archive that others follow in an initramfs: one or several, each compressed or not
 * (Documentation/driver-api/early-userspace/buffer-format.rst).
 *
 * @returns it with zeros behind it, so that what follows begins at a multiple of 4 bytes, as cpio headers must. There are
 *   4 at least: what LZ4 has compressed has no other end for the kernel (lib/decompress_unlz4.c).
 * @throws Error when it cannot be read, or is nothing that the kernel would unpack: it would then not unpack what
 *   follows either.
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
