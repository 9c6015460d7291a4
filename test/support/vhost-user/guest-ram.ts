import { discard, ftruncate } from '../../../src/sys/files.ts'
import { Mapping, WINDOW_BYTES } from '../../../src/sys/mapping.ts'
import { createMemfd } from '../../../src/sys/memfd.ts'
import type { SystemMemory } from '../../../src/sys/system-memory.ts'
import type { MemoryRegion } from '../../../src/transport/vhost-user/guest-memory.ts'

export const PAGE = 4096
const MIB = 2 ** 20

/** A region and which of the files it lies in. */
export interface RegionPlace extends MemoryRegion {
  readonly file: number
}

/**
 * A machine's memory as a VMM may tell of it: with holes between the regions, in the guest and in the
 * files, and no address that is the same in two of its worlds. The last two regions follow one another in
 * the guest, as those that were plugged in later do, and nowhere else.
 */
const usualRegions: readonly RegionPlace[] = [
  { file: 0, guestAddress: 0, size: 0xa0000, userAddress: 0x7f50_0000_0000, offset: 0 },
  { file: 0, guestAddress: MIB, size: 16 * MIB, userAddress: 0x7f10_0030_0000, offset: 5 * MIB },
  { file: 1, guestAddress: 2 ** 32, size: 8 * MIB, userAddress: 0x7f80_0000_0000, offset: PAGE },
  {
    file: 0,
    guestAddress: 2 ** 32 + 8 * MIB,
    size: 8 * MIB,
    userAddress: 0x7f00_0000_0000,
    offset: 32 * MIB,
  },
]

/** The memory of a guest, which is this test. It owns the files and the mappings. */
export class GuestRam {
  readonly regions: readonly RegionPlace[]
  readonly #files: readonly number[]
  readonly #mappings: readonly Mapping[]

  /** @param seals `none` for files that can always be truncated. */
  constructor(
    regions: readonly RegionPlace[] = usualRegions,
    seals: 'allowed' | 'none' = 'allowed',
  ) {
    this.regions = regions
    const sizes: number[] = []
    for (const { file, offset, size } of regions) {
      sizes[file] = Math.max(sizes[file] ?? 0, offset + size)
    }
    this.#files = sizes.map((size) => createMemfd(size, 'usual', seals))
    this.#mappings = regions.map(
      ({ file, offset, size }) => new Mapping(this.#files[file]!, offset, size),
    )
  }

  /** The file of each region, as SET_MEM_TABLE wants them. */
  get files(): number[] {
    return this.regions.map(({ file }) => this.#files[file]!)
  }

  /** Where the guest's `address` is here, in one run with `length` bytes from there on. */
  at(address: number, length = 1): { readonly memory: SystemMemory; readonly offset: number } {
    const index = this.#indexOf(address)
    const { guestAddress, size } = this.regions[index]!
    const offset = address - guestAddress
    const memory = this.#mappings[index]!.windows[Math.floor(offset / WINDOW_BYTES)]
    const into = offset % WINDOW_BYTES
    if (memory === undefined || into + length > memory.bytes.length || offset + length > size) {
      throw new RangeError(`${length} bytes at 0x${address.toString(16)} are no run`)
    }
    return { memory, offset: into }
  }

  /** The address by which the frontend knows the guest's `address`. */
  userAddress(address: number): number {
    const { guestAddress, userAddress } = this.regions[this.#indexOf(address)]!
    return address - guestAddress + userAddress
  }

  bytes(address: number, length: number): Buffer {
    const { memory, offset } = this.at(address, length)
    return memory.bytes.subarray(offset, offset + length)
  }

  view(address: number, length: number): DataView {
    const { memory, offset } = this.at(address, length)
    return new DataView(memory.view.buffer, offset, length)
  }

  #indexOf(address: number): number {
    const index = this.regions.findIndex(
      ({ guestAddress, size }) => address >= guestAddress && address < guestAddress + size,
    )
    if (index < 0) throw new RangeError(`0x${address.toString(16)} is no memory of the guest's`)
    return index
  }

  /**
   * Truncates all files to nothing. Afterwards nobody may touch the memory, here or elsewhere.
   *
   * @throws EPERM when somebody has sealed them.
   */
  truncate(): void {
    for (const fd of this.#files) ftruncate(fd, 0)
  }

  close(): void {
    for (const mapping of this.#mappings) mapping.close()
    for (const fd of this.#files) discard(fd)
  }
}
