import { discard, fstatfs } from '../../sys/files.ts'
import { Mapping, WINDOW_BYTES } from '../../sys/mapping.ts'
import { sealLength } from '../../sys/seals.ts'
import { type SystemMemory, systemMemory } from '../../sys/system-memory.ts'
import { Stat, statx } from '../../sys/statx.ts'
import { FrontendError } from './message.ts'

/** The most regions that a table may have (VHOST_MEMORY_BASELINE_NREGIONS in QEMU). */
export const REGIONS_MAX = 8

/**
 * A region of the guest's memory, as SET_MEM_TABLE describes it (vhost-user.rst, "Memory region
 * description").
 */
export interface MemoryRegion {
  /** Its address in the guest. Descriptors have such addresses. */
  readonly guestAddress: number
  /** In bytes. */
  readonly size: number
  /** Its address in the front end. Rings have such addresses. */
  readonly userAddress: number
  /** Its offset in its file, in bytes. */
  readonly offset: number
}

/**
 * Which files may hold a guest's memory. `sealed`: only those that can no longer be truncated, and those in huge pages
 * (hugetlbfs has files that cannot be sealed, and its pages belong to who may mount it). `any`: the front end is trusted
 * not to truncate them while this process has them mapped.
 */
export type MemoryTrust = 'sealed' | 'any'

/** statfs(2)'s f_type of hugetlbfs(5), also for a memfd of huge pages (include/uapi/linux/magic.h). */
const HUGETLBFS = 0x958458f6

interface MappedRegion extends MemoryRegion {
  readonly mapping: Mapping
}

const nothing = systemMemory(8)

/**
 * A place in the guest's memory: `offset` in `memory`. {@link GuestMemory} fills an object that its caller
 * passes, so that looking up an address allocates nothing, and no answer changes later.
 */
export class Location {
  memory: SystemMemory = nothing
  offset = 0
}

/** The guest's memory, mapped. It owns the mappings. The files are only needed to make them. */
export class GuestMemory {
  readonly #regions: readonly MappedRegion[]
  /** The region of the last address. The next address is probably in it, too. */
  #last: MappedRegion | undefined

  /**
   * Maps `regions`, each from the file of the same index, and closes all files, also on a failure.
   *
   * @throws FrontendError for a region that is longer than its file, or whose file could be truncated; ErrnoError as
   *   mmap(2).
   */
  constructor(
    regions: readonly MemoryRegion[],
    files: readonly number[],
    trust: MemoryTrust = 'sealed',
  ) {
    const mapped: MappedRegion[] = []
    const stat = new Stat()
    try {
      for (const [i, region] of regions.entries()) {
        const fd = files[i] as number
        const { offset } = region
        if (!keepsLength(fd) && trust === 'sealed') throw truncatable(i)
        // Only now, when the length is final.
        const { size, blksize } = statx(fd, stat)
        // Touching memory behind the end of the file would end this process (SIGBUS).
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
   * Finds the byte at the guest's address `address`, and fills `into` with its place.
   *
   * @returns how many bytes are in one run from there on, this byte included; 0 for an address outside of the
   *   memory, which leaves `into` unchanged.
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

  /** As {@link locate}, for an address of the front end. */
  locateUser(address: number, into: Location): number {
    const region = this.#regions.find((each) => has(each, each.userAddress, address))
    return region === undefined ? 0 : fill(into, region, address - region.userAddress)
  }

  /** Unmaps everything. No place that was found here may be used afterwards. */
  close(): void {
    for (const { mapping } of this.#regions) mapping.close()
  }
}

/** Whether the file cannot be truncated any more, or lies in huge pages, see {@link MemoryTrust}. */
function keepsLength(fd: number): boolean {
  return sealLength(fd) || fstatfs(fd).type === HUGETLBFS
}

function truncatable(index: number): FrontendError {
  return new FrontendError(
    `region ${index} of guest memory is a file that the frontend could truncate, which would end this server (SIGBUS): ` +
      'use a memfd that can be sealed (for QEMU: memory-backend-memfd), or listen with the option unsealed',
  )
}

function has({ size }: MemoryRegion, start: number, address: number): boolean {
  return address >= start && address < start + size
}

function fill(into: Location, { mapping }: MappedRegion, at: number): number {
  const index = at < WINDOW_BYTES ? 0 : Math.floor(at / WINDOW_BYTES)
  const window = mapping.windows[index]
  if (window === undefined) return 0
  into.memory = window
  into.offset = at - index * WINDOW_BYTES
  return window.view.byteLength - into.offset
}
