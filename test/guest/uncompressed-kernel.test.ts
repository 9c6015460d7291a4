import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, expect, test, vi } from 'vitest'
import { uncompressedKernel } from '../../src/guest/uncompressed-kernel.ts'
import { temporaryFolder } from '../provision/folder.ts'

afterEach(() => {
  vi.unstubAllEnvs()
})

/** A note of an ELF file, as a kernel has several. */
function note(name: string, type: number): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt32LE(name.length + 1, 0)
  header.writeUInt32LE(5, 4)
  header.writeUInt32LE(type, 8)
  const padded = Buffer.alloc((name.length + 4) & ~3)
  padded.write(name, 'latin1')
  return Buffer.concat([header, padded, Buffer.alloc(8, 'entry')])
}

/** An ELF file of 64 bits that has a segment of code, and one with notes. */
function elf(...notes: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(notes)
  const header = Buffer.alloc(64 + 2 * 56)
  header.write('\x7fELF\x02\x01', 'latin1')
  header.writeBigUInt64LE(64n, 32)
  header.writeUInt16LE(56, 54)
  header.writeUInt16LE(2, 56)
  header.writeUInt32LE(1, 64)
  header.writeUInt32LE(4, 64 + 56)
  header.writeBigUInt64LE(BigInt(header.length), 64 + 56 + 8)
  header.writeBigUInt64LE(BigInt(bytes.length), 64 + 56 + 32)
  return Buffer.concat([header, bytes, Buffer.alloc(20_000, 'code')])
}

const kernel = elf(note('GNU', 18), note('Xen', 5), note('Xen', 18))

/** A bzImage with a compressed kernel behind its real-mode code. */
async function image(compressed: Buffer, protocol = 0x20f): Promise<string> {
  const file = join(await temporaryFolder(), 'vmlinuz')
  const header = Buffer.alloc(3 * 512 + 100)
  header.writeUInt8(2, 0x1f1)
  header.write('HdrS', 0x202, 'latin1')
  header.writeUInt16LE(protocol, 0x206)
  header.writeUInt32LE(100, 0x248)
  header.writeUInt32LE(compressed.length + 4, 0x24c)
  await writeFile(file, Buffer.concat([header, compressed, Buffer.from('size'), Buffer.alloc(700)]))
  return file
}

/** As Linux compresses itself (scripts/Makefile.lib, xzkern): with a filter for machine code. */
function xz(input: Buffer): Buffer {
  return execFileSync('xz', ['--stdout', '--check=crc32', '--x86', '--lzma2=dict=32MiB'], { input })
}

test('the kernel in an image comes out as it went in, from gzip and from xz', async () => {
  expect(await uncompressedKernel(await image(gzipSync(kernel)))).toEqual(kernel)
  expect(await uncompressedKernel(await image(xz(kernel)))).toEqual(kernel)
})

test('a kernel that QEMU cannot boot without its image is not taken out', async () => {
  const gzip = gzipSync(kernel)
  expect(await uncompressedKernel(await image(gzip, 0x207))).toBeUndefined()
  expect(await uncompressedKernel(await image(gzipSync(elf(note('Xen', 17)))))).toBeUndefined()
  expect(await uncompressedKernel(await image(gzipSync('no ELF file at all')))).toBeUndefined()
  expect(await uncompressedKernel(await image(Buffer.from('\x89LZO compressed')))).toBeUndefined()
  const file = join(await temporaryFolder(), 'text')
  await writeFile(file, 'no image')
  expect(await uncompressedKernel(file)).toBeUndefined()
})

test('without a program that decompresses it the image stays all there is', async () => {
  const file = await image(xz(kernel))
  vi.stubEnv('PATH', '/nonexistent')
  expect(await uncompressedKernel(file)).toBeUndefined()
})

test('a damaged image is an error that names it', async () => {
  const bytes = xz(kernel)
  bytes.fill(7, 40)
  const file = await image(bytes)
  await expect(uncompressedKernel(file)).rejects.toThrow(`${file} cannot be decompressed`)
})
