import { isReadable } from './frontend.ts'
import type { Chain, Layout } from './layouts.ts'
import type { VirtualDevice, VirtualQueue } from './virtual-device.ts'

/** How many looks are for nothing before the next ones come a millisecond apart. */
const PATIENT_LOOKS = 2000

/** A frame that is to become a chain. */
interface Frame {
  readonly frame: Buffer
  readonly room: number
  readonly added: () => void
}

export interface PumpEvents {
  /** The device has given a chain back, with an answer, or without one (undefined). */
  answered(answer: Buffer | undefined): void
  failed(error: Error): void
}

/**
 * Brings frames to a device through one of its queues: each becomes a chain, and answers come back as chains are given back.
 * It looks at the used ring only when the device has said that there is something, as an interrupt would: a notification that
 * is lost is an answer that is lost.
 */
export class QueuePump {
  readonly #device: VirtualDevice
  readonly #queue: VirtualQueue
  readonly #layout: Layout
  readonly #events: PumpEvents
  readonly #chains = new Map<number, Chain>()
  /** Those for which there was no room yet. */
  readonly #waiting: Frame[] = []
  #isLooking = false
  #looks = 0
  #isClosed = false

  constructor(device: VirtualDevice, queue: VirtualQueue, layout: Layout, events: PumpEvents) {
    this.#device = device
    this.#queue = queue
    this.#layout = layout
    this.#events = events
  }

  /**
   * @param frame is not to be changed until it was added.
   * @param room for its answer, in bytes.
   * @param added is called when it is in the queue.
   */
  send(frame: Buffer, room: number, added: () => void = () => {}): void {
    this.#waiting.push({ frame, room, added })
    this.#add()
    this.#look()
  }

  close(): void {
    this.#isClosed = true
    this.#waiting.length = 0
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return
    this.close()
    this.#events.failed(error instanceof Error ? error : new Error(String(error)))
  }

  #add(): void {
    const { ram, heap } = this.#device
    const { driver } = this.#queue
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const chain = this.#layout(ram, heap, next.frame, next.room)
      const head = chain && driver.add(chain.parts)
      if (chain === undefined || head === undefined) {
        chain?.free()
        if (this.#chains.size === 0) this.#fail(new Error('a frame that never finds room'))
        break
      }
      this.#chains.set(head, chain)
      this.#waiting.shift()
      next.added()
    }
    if (driver.mustKick()) this.#queue.kick()
  }

  /** Looks for what was given back, again and again as long as something is under way. */
  #look(): void {
    if (this.#isLooking) return
    this.#isLooking = true
    const look = (): void => {
      this.#isLooking = false
      if (this.#isClosed) return
      try {
        this.#looks = this.#takeAll() ? 0 : this.#looks + 1
      } catch (error) {
        this.#fail(error)
        return
      }
      if (this.#chains.size === 0) return
      this.#isLooking = true
      if (this.#looks < PATIENT_LOOKS) setImmediate(look)
      else {
        if (isReadable(this.#device.frontend.fd, 0)) this.#fail(new Error('the backend is gone'))
        setTimeout(look, 1)
      }
    }
    setImmediate(look)
  }

  /** @returns whether the device said that there is something. */
  #takeAll(): boolean {
    const { driver } = this.#queue
    if (this.#queue.calls() === 0) return false
    do {
      for (let used = driver.take(); used !== undefined; used = driver.take()) {
        const chain = this.#chains.get(used.head)
        if (chain === undefined) throw new Error(`no request came with chain ${used.head}`)
        this.#chains.delete(used.head)
        this.#events.answered(used.length > 0 ? chain.answer(used.length) : undefined)
        chain.free()
      }
    } while (driver.listen())
    this.#add()
    return true
  }
}
