import { ErrnoError, errno } from '../sys/errno.ts'
import { ReadRing } from '../sys/io-uring.ts'
import { type SystemMemory, systemMemory } from '../sys/system-memory.ts'
import type { ColdReads } from '../tree/host/cold-reads.ts'
import { Deferred } from '../tree/deferred.ts'
import type { Watched } from '../transport/event-loop.ts'

/** The most reads under way: more would only wait in the disk's queue. */
const MOST = 64

interface Read {
  /** Not the client's memory: it could be unmapped while the kernel writes to it. */
  readonly memory: SystemMemory
  readonly deferred: Deferred<Uint8Array>
}

/** Cold reads through io_uring(7), in the engine's loop. */
export class UringReads implements ColdReads, Watched {
  readonly fd: number
  readonly waitsFor = 'read'
  readonly #ring = new ReadRing(MOST)
  readonly #reads = new Map<number, Read>()
  #id = 0

  /** @throws ErrnoError as {@link ReadRing}. */
  constructor() {
    this.fd = this.#ring.fd
  }

  read(fd: number, offset: number, length: number): Deferred<Uint8Array> | undefined {
    if (this.#reads.size >= MOST) return undefined
    const read = { memory: systemMemory(length), deferred: new Deferred<Uint8Array>() }
    this.#id = (this.#id + 1) >>> 0
    try {
      this.#ring.read(this.#id, fd, read.memory.address, length, offset)
    } catch (error) {
      // The kernel takes no more reads now, so the process waits for the disk itself.
      if (error instanceof ErrnoError) return undefined
      throw error
    }
    this.#reads.set(this.#id, read)
    return read.deferred
  }

  ready(): void {
    this.#ring.completed((id, result) => {
      const read = this.#reads.get(id)
      this.#reads.delete(id)
      if (result >= 0) read?.deferred.resolve(read.memory.bytes.subarray(0, result))
      else read?.deferred.reject(new ErrnoError(-result, 'read'))
    })
  }

  /** Waits for all reads first, because the kernel still writes to their memory. */
  close(): void {
    while (this.#reads.size > 0) {
      this.#ring.wait()
      this.ready()
    }
    this.#ring.close()
  }
}

/** Cold reads; or a line for the log with the reason why the process has to wait for the disk itself. */
export function coldReads(): UringReads | string {
  try {
    return new UringReads()
  } catch (error) {
    if (!(error instanceof ErrnoError)) throw error
    const why = error.errno === errno.ENOSYS ? 'this kernel has no io_uring' : error.message
    return `reads that wait for a disk hold up others: ${why}`
  }
}
