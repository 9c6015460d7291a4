/** Where the program headers of an ELF file are, and what the file is for. */
export interface ElfHeader {
  /** e_machine: a number of the CPU's architecture. */
  readonly machine: number
  /** The first program header's place in the file. */
  readonly table: number
  readonly entrySize: number
  readonly count: number
}

const ELF_MAGIC = 0x7f454c46

/** How many bytes {@link elfHeader} looks at. */
export const ELF_HEADER_BYTES = 64

/** Whether a file begins as ELF files do, of whatever kind. */
export function isElf(file: Buffer): boolean {
  return file.length >= 4 && file.readUInt32BE(0) === ELF_MAGIC
}

/** The header of a 64-bit little-endian ELF file, as on both architectures that are supported; undefined for any other file. */
export function elfHeader(file: Buffer): ElfHeader | undefined {
  if (file.length < ELF_HEADER_BYTES || !isElf(file)) return undefined
  // Class 2 is 64 bits, data 1 is little-endian.
  if (file[4] !== 2 || file[5] !== 1) return undefined
  return {
    machine: file.readUInt16LE(18),
    table: Number(file.readBigUInt64LE(32)),
    entrySize: file.readUInt16LE(54),
    count: file.readUInt16LE(56),
  }
}
