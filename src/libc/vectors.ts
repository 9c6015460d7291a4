import { call } from './ffi.ts'
import { type SystemMemory, systemMemory } from './memory.ts'

/** preadv(2) and pwritev(2): `vector` is the address of `count` structs iovec. */
export const preadv = call('long', 'preadv', 'int', 'pointer', 'int', 'int64')
export const pwritev = call('long', 'pwritev', 'int', 'pointer', 'int', 'int64')

/** struct iovec: base[8] length[8]. */
const IOVEC_BYTES = 16

/** An array of structs iovec to be filled. Entries have addresses below 2^53, as all of user space has. */
export class IoVector {
  #memory: SystemMemory
  count = 0

  /** @param room how many entries fit at first. */
  constructor(room: number) {
    this.#memory = systemMemory(room * IOVEC_BYTES)
  }

  get address(): number {
    return this.#memory.address
  }

  add(address: number, length: number): void {
    const at = this.count * IOVEC_BYTES
    if (at === this.#memory.bytes.length) {
      const larger = systemMemory(at * 2)
      larger.bytes.set(this.#memory.bytes)
      this.#memory = larger
    }
    const { view } = this.#memory
    view.setUint32(at, address % 2 ** 32, true)
    view.setUint32(at + 4, Math.floor(address / 2 ** 32), true)
    view.setUint32(at + 8, length, true)
    view.setUint32(at + 12, 0, true)
    this.count++
  }
}
