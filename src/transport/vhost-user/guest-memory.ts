import { discard } from '../../sys/files.ts'
import { Mapping, WINDOW_BYTES } from '../../sys/mapping.ts'
import { type SystemMemory, systemMemory } from '../../sys/system-memory.ts'
import { statx } from '../../sys/statx.ts'
import { FrontendError } from './message.ts'

/** Most regions of a table (VHOST_MEMORY_BASELINE_NREGIONS in QEMU). */
export const REGIONS_MAX = 8

/** A part of the guest's memory, as SET_MEM_TABLE describes it (vhost-user.rst, "Memory region description"). */
export interface MemoryRegion {
  /** Where the guest has it: what is in descriptors. */
  readonly guestAddress: number
  /** In bytes. */
  readonly size: number
  /** Where the frontend has mapped it: what a ring's addresses are told in. */
  readonly userAddress: number
  /** Where it begins in its file. */
  readonly offset: number
}

interface MappedRegion extends MemoryRegion {
  readonly mapping: Mapping
}

const nothing = systemMemory(8)

/** The guest's memory, mapped. It owns the mappings; the descriptors were needed to make them only. */
export class GuestMemory {
  readonly #regions: readonly MappedRegion[]
  /** The one that was looked into last. */
  #last: MappedRegion | undefined
  /** What {@link locate} has found. */
  memory: SystemMemory = nothing
  offset = 0

  /**
   * Maps `regions`, each from the file of the same index, and closes the files in any case.
   *
   * @throws FrontendError for a region whose file is shorter than it says, ErrnoError as mmap(2).
   */
  constructor(regions: readonly MemoryRegion[], files: readonly number[]) {
    const mapped: MappedRegion[] = []
    try {
      for (const [i, region] of regions.entries()) {
        const fd = files[i] as number
        const { offset } = region
        const { size, blksize } = statx(fd)
        // A file that ends too early would end this process, at the first look behind its end.
        if (size < offset + region.size) {
          throw new FrontendError('a region of guest memory is longer than the file it is in')
        }
        mapped.push({ ...region, mapping: new Mapping(fd, offset, region.size, blksize) })
      }
    } catch (error) {
      for (const { mapping } of mapped) mapping.close()
      throw error
    } finally {
      for (const fd of files) discard(fd)
    }
    this.#regions = mapped
    this.#last = mapped[0]
  }

  /**
   * Where a byte of the guest's lies here: in {@link memory} at {@link offset}.
   *
   * @param address as the guest has it.
   * @returns how many bytes follow it there, itself included; 0 for an address that is no memory.
   */
  locate(address: number): number {
    let region = this.#last
    if (region === undefined || !has(region, region.guestAddress, address)) {
      region = this.#regions.find((each) => has(each, each.guestAddress, address))
      if (region === undefined) return 0
      this.#last = region
    }
    return this.#at(region, address - region.guestAddress)
  }

  /** The same for an address as the frontend has it. */
  locateUser(address: number): number {
    const region = this.#regions.find((each) => has(each, each.userAddress, address))
    return region === undefined ? 0 : this.#at(region, address - region.userAddress)
  }

  #at({ mapping }: MappedRegion, offset: number): number {
    const window = mapping.windows[Math.floor(offset / WINDOW_BYTES)]
    if (window === undefined) return 0
    this.memory = window
    this.offset = offset % WINDOW_BYTES
    return window.bytes.length - this.offset
  }

  /** Nothing that was found here may be touched afterwards. */
  close(): void {
    this.memory = nothing
    for (const { mapping } of this.#regions) mapping.close()
  }
}

function has({ size }: MemoryRegion, start: number, address: number): boolean {
  return address >= start && address < start + size
}
