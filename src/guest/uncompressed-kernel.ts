import { readFile } from 'node:fs/promises'
import { elfHeader } from '../util/elf-header.ts'
import { type Compression, NoDecompressorError, decompress } from './decompress.ts'

/**
 * The kernel in a bzImage as the ELF file that QEMU boots by itself (PVH, since QEMU 4.0). An emulated CPU takes 0.8 to
 * 2.6 seconds to decompress it, the host a tenth of a second.
 *
 * Documentation/arch/x86/boot.rst: the compressed kernel is at `payload_offset` (0x248) behind the real-mode code, and
 * its last four bytes are its size when it is decompressed.
 *
 * @returns undefined for a kernel that cannot be had in this way: it is none of x86, is compressed in a way that nothing
 *   here can decompress, or has no entry for PVH (CONFIG_PVH).
 * @throws Error for a damaged image.
 */
export async function uncompressedKernel(image: string): Promise<Buffer | undefined> {
  const payload = compressedKernel(await readFile(image))
  if (payload === undefined) return undefined
  const { bytes, compression } = payload
  try {
    const kernel = await decompress(image, bytes, compression)
    return hasPvhEntry(kernel) ? kernel : undefined
  } catch (error) {
    if (error instanceof NoDecompressorError) return undefined
    throw error
  }
}

/** The first bytes of what Linux decompresses (lib/decompress.c) and we can. */
const MAGIC: readonly (readonly [hex: string, Compression])[] = [
  ['1f8b', 'gz'],
  ['fd377a585a00', 'xz'],
  ['28b52ffd', 'zst'],
]

function compressedKernel(
  image: Buffer,
): { readonly bytes: Buffer; readonly compression: Compression } | undefined {
  if (image.length < 0x250 || image.toString('latin1', 0x202, 0x206) !== 'HdrS') return undefined
  // Boot protocol 2.08 was the first to say where the compressed kernel is.
  if (image.readUInt16LE(0x206) < 0x208) return undefined
  // Zero is from a time before this field, and means four.
  const sectors = image.readUInt8(0x1f1) === 0 ? 4 : image.readUInt8(0x1f1)
  const start = (sectors + 1) * 512 + image.readUInt32LE(0x248)
  const bytes = image.subarray(start, start + image.readUInt32LE(0x24c) - 4)
  const compression = MAGIC.find(([hex]) => bytes.toString('hex', 0, hex.length / 2) === hex)?.[1]
  return compression && { bytes, compression }
}

const PT_NOTE = 4
/** The type of the note with a kernel's entry for PVH (include/xen/interface/elfnote.h). */
const XEN_ELFNOTE_PHYS32_ENTRY = 18

/** Whether an ELF file of 64 bits has the note without which QEMU does not boot it. */
function hasPvhEntry(elf: Buffer): boolean {
  const header = elfHeader(elf)
  if (header === undefined) return false
  const { table, entrySize, count } = header
  for (let at = table; at < table + entrySize * count && at + 56 <= elf.length; at += entrySize) {
    if (elf.readUInt32LE(at) !== PT_NOTE) continue
    const start = Number(elf.readBigUInt64LE(at + 8))
    const size = Number(elf.readBigUInt64LE(at + 32))
    if (hasXenNote(elf.subarray(start, start + size))) return true
  }
  return false
}

function hasXenNote(notes: Buffer): boolean {
  const aligned = (size: number): number => (size + 3) & ~3
  for (let at = 0; at + 12 <= notes.length;) {
    const [nameSize, size] = [notes.readUInt32LE(at), notes.readUInt32LE(at + 4)]
    const name = notes.toString('latin1', at + 12, at + 12 + nameSize)
    if (name === 'Xen\0' && notes.readUInt32LE(at + 8) === XEN_ELFNOTE_PHYS32_ENTRY) return true
    at += 12 + aligned(nameSize) + aligned(size)
  }
  return false
}
