import { discard } from '../../sys/files.ts'
import { Mapping, WINDOW_BYTES } from '../../sys/mapping.ts'
import { type SystemMemory, systemMemory } from '../../sys/system-memory.ts'
import { Stat, statx } from '../../sys/statx.ts'
import { FrontendError } from './message.ts'

/** The most regions that a table may have (VHOST_MEMORY_BASELINE_NREGIONS in QEMU). */
export const REGIONS_MAX = 8

/** A part of the guest's memory, as SET_MEM_TABLE describes it (vhost-user.rst, "Memory region description"). */
export interface MemoryRegion {
  /** Where the guest has it: the addresses in descriptors. */
  readonly guestAddress: number
  /** In bytes. */
  readonly size: number
  /** Where the front end has mapped it: the addresses of rings. */
  readonly userAddress: number
  /** Where it begins in its file, in bytes. */
  readonly offset: number
}

interface MappedRegion extends MemoryRegion {
  readonly mapping: Mapping
}

const nothing = systemMemory(8)

/**
 * A place in the guest's memory: its bytes begin in `memory` at `offset`. {@link GuestMemory} fills the one that its
 * caller brings, so that looking up an address allocates nothing and no answer changes behind its owner's back.
 */
export class Location {
  memory: SystemMemory = nothing
  offset = 0
}

/** The guest's memory, mapped. It owns the mappings; their files are needed to make them only. */
export class GuestMemory {
  readonly #regions: readonly MappedRegion[]
  /** Where the last address was found: the next one is likely to be there, too. */
  #last: MappedRegion | undefined

  /**
   * Maps `regions`, each from the file of the same index, and closes the files in any case.
   *
   * @throws FrontendError for a region that is longer than its file, ErrnoError as mmap(2).
   */
  constructor(regions: readonly MemoryRegion[], files: readonly number[]) {
    const mapped: MappedRegion[] = []
    const stat = new Stat()
    try {
      for (const [i, region] of regions.entries()) {
        const fd = files[i] as number
        const { offset } = region
        const { size, blksize } = statx(fd, stat)
        // A look behind the end of the file would end this process (SIGBUS).
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
   * Finds the byte that the guest has at `address`, and says where it is by filling `into`.
   *
   * @returns how many bytes follow it there, itself included; 0 for an address that is no memory, which leaves `into` as
   *   it is.
   */
  locate(address: number, into: Location): number {
    let region = this.#last
    if (region === undefined || !has(region, region.guestAddress, address)) {
      region = this.#regions.find((each) => has(each, each.guestAddress, address))
      if (region === undefined) return 0
      this.#last = region
    }
    return fill(into, region, address - region.guestAddress)
  }

  /** As {@link locate}, for an address at which the front end has the byte. */
  locateUser(address: number, into: Location): number {
    const region = this.#regions.find((each) => has(each, each.userAddress, address))
    return region === undefined ? 0 : fill(into, region, address - region.userAddress)
  }

  /** Nothing that was found here may be touched afterwards. */
  close(): void {
    for (const { mapping } of this.#regions) mapping.close()
  }
}

function has({ size }: MemoryRegion, start: number, address: number): boolean {
  return address >= start && address < start + size
}

function fill(into: Location, { mapping }: MappedRegion, at: number): number {
  const window = mapping.windows[Math.floor(at / WINDOW_BYTES)]
  if (window === undefined) return 0
  into.memory = window
  into.offset = at % WINDOW_BYTES
  return window.bytes.length - into.offset
}
