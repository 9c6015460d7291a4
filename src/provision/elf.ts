import { open } from 'node:fs/promises'
import { ELF_HEADER_BYTES, elfHeader } from '../util/elf-header.ts'

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
  const start = Buffer.alloc(ELF_HEADER_BYTES)
  const { bytesRead } = await file.read(start, 0, start.length, 0)
  const header = elfHeader(start.subarray(0, bytesRead))
  if (header === undefined || header.entrySize < 4) return undefined

  const { machine, table, entrySize, count } = header
  const entries = Buffer.alloc(entrySize * count)
  await file.read(entries, 0, entries.length, table)
  let isStatic = true
  for (let at = 0; at < entries.length; at += entrySize) {
    if (entries.readUInt32LE(at) === PT_INTERP) isStatic = false
  }
  return { arch: MACHINES[machine], isStatic }
}
