import { Duplex } from 'node:stream'
import type { Client } from '../../../src/9p/client.ts'
import { attached } from '../directory-server.ts'
import { isReadable } from './frontend.ts'
import type { Chain, Layout } from './layouts.ts'
import type { VirtualDevice } from './virtual-device.ts'

/** How many looks are for nothing before the next ones come a millisecond apart. */
const PATIENT_LOOKS = 2000

/**
 * A device's queue as a stream of frames, for a client that knows streams: each frame that is written
 * becomes a chain, and answers come back as they are given back. It looks at the used ring only when the
 * device has said that there is something, as an interrupt would: a notification that is lost is an answer
 * that is lost.
 */
class VirtqueueStream extends Duplex {
  readonly #device: VirtualDevice
  readonly #layout: Layout
  /** Room for answers, in bytes. */
  readonly #room: number
  readonly #chains = new Map<number, Chain>()
  /** Those for which there was no room yet. */
  readonly #waiting: { readonly frame: Buffer; readonly added: () => void }[] = []
  #isLooking = false
  #looks = 0

  constructor(device: VirtualDevice, layout: Layout, room: number) {
    super()
    this.#device = device
    this.#layout = layout
    this.#room = room
  }

  override _write(frame: Buffer, _encoding: string, added: () => void): void {
    // The client's own memory, which it does not use again.
    this.#waiting.push({ frame, added })
    this.#add()
    this.#look()
  }

  override _read(): void {}

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#waiting.length = 0
    done(error)
  }

  #add(): void {
    const { queue, ram, heap } = this.#device
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const chain = this.#layout(ram, heap, next.frame, this.#room)
      const head = chain && queue.add(chain.parts)
      if (chain === undefined || head === undefined) {
        chain?.free()
        if (this.#chains.size === 0) this.destroy(new Error('a frame that never finds room'))
        break
      }
      this.#chains.set(head, chain)
      this.#waiting.shift()
      next.added()
    }
    if (queue.mustKick()) this.#device.kick()
  }

  /** Looks for what was given back, again and again as long as something is under way. */
  #look(): void {
    if (this.#isLooking) return
    this.#isLooking = true
    const look = (): void => {
      this.#isLooking = false
      if (this.destroyed) return
      try {
        this.#looks = this.#takeAll() ? 0 : this.#looks + 1
      } catch (error) {
        this.destroy(error instanceof Error ? error : new Error(String(error)))
        return
      }
      if (this.#chains.size === 0) return
      this.#isLooking = true
      if (this.#looks < PATIENT_LOOKS) setImmediate(look)
      else {
        if (isReadable(this.#device.frontend.fd, 0)) this.destroy(new Error('the backend is gone'))
        setTimeout(look, 1)
      }
    }
    setImmediate(look)
  }

  /** @returns whether the device said that there is something. */
  #takeAll(): boolean {
    const { queue } = this.#device
    if (this.#device.calls() === 0) return false
    do {
      for (let used = queue.take(); used !== undefined; used = queue.take()) {
        const chain = this.#chains.get(used.head)
        if (chain === undefined) throw new Error(`no request came with chain ${used.head}`)
        this.#chains.delete(used.head)
        // Without an answer: the request was flushed.
        if (used.length > 0) this.push(chain.answer(used.length))
        chain.free()
      }
    } while (queue.listen())
    this.#add()
    return true
  }
}

/** A client on the device's queue whose fid 0 is the root. */
export function clientOn(device: VirtualDevice, layout: Layout, msize: number): Promise<Client> {
  return attached(new VirtqueueStream(device, layout, msize), msize)
}
