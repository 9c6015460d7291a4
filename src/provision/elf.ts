import { open } from 'node:fs/promises'

/** The facts in an ELF header that decide whether a program can run in a system without libraries. */
export interface ElfFacts {
  /** Node's name of the CPU architecture; undefined for one that lowerdir does not support. */
  readonly arch: 'x64' | 'arm64' | undefined
  /** Whether it runs without a dynamic loader and libraries. */
  readonly isStatic: boolean
}

const PT_INTERP = 3
const MACHINES: Readonly<Record<number, 'x64' | 'arm64'>> = { 62: 'x64', 183: 'arm64' }

/** Reads an executable's ELF header; undefined if the file is no 64-bit little-endian ELF. */
export async function readElf(path: string): Promise<ElfFacts | undefined> {
  await using file = await open(path)
  const header = Buffer.alloc(64)
  const { bytesRead } = await file.read(header, 0, header.length, 0)
  // Class 2 is 64 bits, data 1 is little-endian, as on both architectures that are supported.
  if (bytesRead < 64 || header.readUInt32BE(0) !== 0x7f454c46) return undefined
  if (header[4] !== 2 || header[5] !== 1) return undefined

  const table = Number(header.readBigUInt64LE(32))
  const entrySize = header.readUInt16LE(54)
  const count = header.readUInt16LE(56)
  if (entrySize < 4) return undefined
  const entries = Buffer.alloc(entrySize * count)
  await file.read(entries, 0, entries.length, table)
  let isStatic = true
  for (let at = 0; at < entries.length; at += entrySize) {
    if (entries.readUInt32LE(at) === PT_INTERP) isStatic = false
  }
  return { arch: MACHINES[header.readUInt16LE(18)], isStatic }
}
