import { ErrnoError, errno } from '../sys/errno.ts'
import { ReadRing } from '../sys/io-uring.ts'
import { type SystemMemory, systemMemory } from '../sys/system-memory.ts'
import type { ColdReads } from '../tree/host/cold-reads.ts'
import { Parked } from '../tree/parked.ts'
import type { Watched } from '../transport/event-loop.ts'

/** Most reads under way: more would only wait in the disk's own queue. */
const MOST = 64

interface Read {
  /** Bytes of our own and not the client's: those could go away while the kernel writes to them. */
  readonly memory: SystemMemory
  readonly parked: Parked<Uint8Array>
}

/** Cold reads by the kernel's io_uring(7), in the engine's poll loop. */
export class UringReads implements ColdReads, Watched {
  readonly fd: number
  readonly #ring = new ReadRing(MOST)
  readonly #reads = new Map<number, Read>()
  #id = 0

  /** @throws ErrnoError where this kernel, or who runs it, does not allow it. */
  constructor() {
    this.fd = this.#ring.fd
  }

  get waitsFor(): 'read' | 'nothing' {
    return this.#reads.size > 0 ? 'read' : 'nothing'
  }

  read(fd: number, offset: number, length: number): Parked<Uint8Array> | undefined {
    if (this.#reads.size >= MOST) return undefined
    const read = { memory: systemMemory(length), parked: new Parked<Uint8Array>() }
    this.#id = (this.#id + 1) >>> 0
    try {
      this.#ring.read(this.#id, fd, read.memory.address, length, offset)
    } catch (error) {
      // Not now: then the thread waits for it by itself.
      if (error instanceof ErrnoError) return undefined
      throw error
    }
    this.#reads.set(this.#id, read)
    return read.parked
  }

  ready(): void {
    this.#ring.completed((id, result) => {
      const read = this.#reads.get(id)
      this.#reads.delete(id)
      if (result >= 0) read?.parked.resolve(read.memory.bytes.subarray(0, result))
      else read?.parked.reject(new ErrnoError(-result, 'read'))
    })
  }

  /** Also waits for reads that nobody waits for any more: the kernel still writes to their memory. */
  close(): void {
    while (this.#reads.size > 0) {
      this.#ring.wait()
      this.ready()
    }
    this.#ring.close()
  }
}

/** Cold reads, or a line for the log that says why the thread has to wait for them itself. */
export function coldReads(): UringReads | string {
  try {
    return new UringReads()
  } catch (error) {
    if (!(error instanceof ErrnoError)) throw error
    const why = error.errno === errno.ENOSYS ? 'this kernel has no io_uring' : error.message
    return `reads that wait for a disk hold up others: ${why}`
  }
}
