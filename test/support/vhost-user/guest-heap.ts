import { Random } from '../../fuzz/random.ts'
import { type GuestRam, PAGE } from './guest-ram.ts'

/**
 * Which pages of a guest's memory are in use. It takes them from all over the place, as a machine that has
 * run for a while does, and the same ones in each run of a test.
 */
export class GuestHeap {
  readonly #ram: GuestRam
  readonly #random = new Random(1)
  readonly #used = new Set<number>()
  readonly #runs = new Map<number, number>()

  constructor(ram: GuestRam) {
    this.#ram = ram
  }

  /**
   * The address of `bytes` bytes in one run; undefined if none are left. Their content is random.
   *
   * @param skip how far into its page the first byte is; without it, anywhere where that takes no
   *   further page.
   */
  take(bytes: number, skip?: number): number | undefined {
    const rest = PAGE - (bytes % PAGE || PAGE)
    const into = skip ?? (rest > 0 ? this.#random.upTo(rest) : 0)
    const pages = Math.max(1, Math.ceil((into + bytes) / PAGE))
    for (let attempt = 0; attempt < 200; attempt++) {
      const { guestAddress, size } = this.#random.pick(this.#ram.regions)
      const last = size / PAGE - pages
      if (last < 0) continue
      const first = guestAddress / PAGE + this.#random.upTo(last)
      if (this.#isUsed(first, pages)) continue
      for (let page = first; page < first + pages; page++) this.#used.add(page)
      const address = first * PAGE + into
      this.#runs.set(address, pages)
      this.#ram.bytes(address, bytes).fill(0xa5)
      return address
    }
    return undefined
  }

  /** The same where there must be room. */
  need(bytes: number, skip?: number): number {
    const address = this.take(bytes, skip)
    if (address === undefined) throw new Error(`the guest has no ${bytes} bytes left`)
    return address
  }

  free(address: number): void {
    const pages = this.#runs.get(address)
    if (pages === undefined) throw new Error(`nothing was taken at 0x${address.toString(16)}`)
    this.#runs.delete(address)
    const first = Math.floor(address / PAGE)
    for (let page = first; page < first + pages; page++) this.#used.delete(page)
  }

  #isUsed(first: number, pages: number): boolean {
    for (let page = first; page < first + pages; page++) if (this.#used.has(page)) return true
    return false
  }
}
