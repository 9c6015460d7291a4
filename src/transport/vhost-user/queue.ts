import { Chain, type ChainOwner, type ChainServer } from './chain.ts'
import { type Memory, copyBytes, heapMemory } from '../../sys/memory.ts'
import type { GuestMemory } from './guest-memory.ts'
import { type Polled, type Turn, endlessTurn } from '../event-loop.ts'
import { type RingAddresses, Virtqueue, VirtqueueError } from './virtqueue.ts'

/**
 * After so many requests the driver is notified, so that it takes their answers while further ones are made.
 */
const BATCH = 8

/** The settings of a queue. */
export interface QueueSetup {
  readonly memory: GuestMemory
  readonly addresses: RingAddresses
  /** The index in the available ring to go on at. */
  readonly next: number
  /** Whether VIRTIO_F_EVENT_IDX was negotiated. */
  readonly eventIndex: boolean
  /** Whether VIRTIO_F_INDIRECT_DESC was negotiated. */
  readonly indirect: boolean
}

/** What a queue needs of its device. */
export interface QueueOwner {
  /** A device that is broken serves nothing. */
  readonly isBroken: boolean
  /** Makes the object that serves the requests of `chain`. */
  serverFor(chain: Chain): ChainServer
  /** The queue has started or stopped. */
  changed(): void
  /** Notifies the driver. @throws ErrnoError as write(2). */
  notify(): void
  /** Something was written into the guest's memory. */
  wrote(): void
  /** The queue, and so the device, has a new driver. */
  driverChanged(): void
  /** The driver has broken the rules, or could not be served. From now on the device is broken. */
  broke(error: unknown): void
}

/**
 * One queue of a device. Each chain that the driver makes available is a request and the room for its answer.
 *
 * A queue can be stopped and go on, as when its machine is paused. Requests that were not answered before are
 * answered when the same driver's ring goes on.
 */
export class Queue implements ChainOwner, Polled {
  readonly #owner: QueueOwner
  #setup: QueueSetup | undefined
  #ring: Virtqueue | undefined
  /** The settings of the ring, and its position, when the queue was stopped last. */
  #before: StoppedRing | undefined
  /** Chain objects for the next requests. */
  readonly #free: Chain[] = []
  /** Chains with requests that are not answered yet. */
  readonly #waiting = new Set<Chain>()
  /** Answers that came while the queue was stopped. */
  #late: { readonly chain: Chain; readonly length: number; readonly bytes: Memory }[] = []
  /** The chain whose server is being called, until the chain is answered. */
  #current: Chain | undefined
  #isServing = false
  /** The first descriptors of the chains that {@link restore} has named. */
  #restored: readonly number[] = []

  constructor(owner: QueueOwner) {
    this.#owner = owner
  }

  get isRunning(): boolean {
    return this.#ring !== undefined
  }

  /**
   * Serves the ring from now on, unless the device is broken. The device breaks if the ring cannot be served.
   */
  start(setup: QueueSetup): void {
    if (this.#owner.isBroken) return
    const { memory, addresses, next, eventIndex } = setup
    try {
      const ring = new Virtqueue(memory, addresses, next, eventIndex)
      this.#setup = setup
      this.#ring = ring
      if (this.#before !== undefined) {
        if (isContinued(this.#before, setup, ring.done)) this.#goOn(ring)
        else this.#owner.driverChanged()
        this.#before = undefined
      }
      this.#owner.changed()
      this.#isServing = true
      this.#serveRestored(ring)
      this.#isServing = false
      ring.disableNotifications()
      this.#notify(ring)
    } catch (error) {
      this.#owner.broke(error)
    }
  }

  /**
   * Stops serving. @returns the index in the available ring to go on at; undefined if the queue was not
   * running.
   */
  stop(): number | undefined {
    const ring = this.#ring
    if (this.#setup === undefined || ring === undefined) return undefined
    this.#before = { ...this.#setup, next: ring.next, done: ring.done }
    this.#ring = undefined
    this.#setup = undefined
    for (const chain of this.#waiting) chain.isReachable = false
    this.#owner.changed()
    return ring.next
  }

  /**
   * The requests that are not answered yet, of a queue that is stopped: the ring itself says nothing of them. Those that were
   * answered since count as not answered.
   */
  save(): SavedQueue {
    const late = this.#late.map(({ chain }) => chain.head)
    return { waiting: [...late, ...[...this.#waiting].map((chain) => chain.head)] }
  }

  /** Serves the requests that a queue had when it was saved, as soon as this one starts. */
  restore(saved: SavedQueue): void {
    this.#restored = saved.waiting
  }

  /** Forgets requests from before the queue was stopped. They are never answered. */
  forgetStopped(): void {
    if (this.#before === undefined) return
    this.#before = undefined
    this.#waiting.clear()
    this.#late = []
  }

  poll(turn: Turn = endlessTurn): boolean {
    const ring = this.#ring
    if (ring === undefined || !ring.hasWork) return false
    this.#isServing = true
    try {
      this.#serve(ring, turn)
    } catch (error) {
      // Not thrown on: only this device has failed, and the others of this process are served on.
      this.#owner.broke(error)
    }
    this.#isServing = false
    return true
  }

  enableNotifications(): boolean {
    return this.#ring?.enableNotifications() ?? false
  }

  disableNotifications(): void {
    this.#ring?.disableNotifications()
  }

  answered(chain: Chain, length: number, head: Memory | undefined, headBytes: number): void {
    const ring = this.#ring
    if (ring === undefined || !chain.isReachable) {
      // A copy, because `head` is valid during the call only.
      const bytes = heapMemory(headBytes)
      if (head !== undefined) copyBytes(head, 0, bytes, 0, headBytes)
      if (this.#waiting.delete(chain)) this.#late.push({ chain, length, bytes })
      return
    }
    ring.addUsed(chain.head, length)
    if (chain === this.#current) this.#current = undefined
    else this.#waiting.delete(chain)
    this.#free.push(chain)
    if (this.#isServing) return
    try {
      this.#notify(ring)
    } catch (error) {
      // Not thrown: the answer may come from another client's request, such as one that unlocks a file. That
      // client goes on.
      this.#owner.broke(error)
    }
  }

  #serve(ring: Virtqueue, turn: Turn): void {
    for (let served = 1; ; served++) {
      const head = ring.pop()
      if (head < 0) break
      this.#serveOne(head)
      // Answering a request of another queue may have broken the device.
      if (this.#ring !== ring) return
      if (served % BATCH === 0) this.#notify(ring)
      if (ring.hasWork && turn.isOver) break
    }
    this.#notify(ring)
  }

  #serveOne(head: number): void {
    const ring = this.#ring
    const chain = this.#free.pop() ?? this.#newChain()
    this.#read(chain, head)
    this.#current = chain
    chain.server.serve()
    if (this.#ring !== ring) return
    if (this.#current === chain) this.#waiting.add(chain)
    this.#current = undefined
  }

  /** @throws VirtqueueError for a chain that is none: the saved numbers may be anything. */
  #serveRestored(ring: Virtqueue): void {
    const heads = this.#restored
    this.#restored = []
    for (const head of heads) {
      if (head >= ring.size) throw new VirtqueueError(`a saved chain that begins at ${head}`)
      this.#serveOne(head)
    }
  }

  #newChain(): Chain {
    return new Chain(this, (chain) => this.#owner.serverFor(chain))
  }

  /** @throws VirtqueueError as Chain.read. */
  #read(chain: Chain, head: number): void {
    const { memory, indirect } = this.#setup as QueueSetup
    chain.read(this.#ring as Virtqueue, head, memory, indirect)
  }

  #notify(ring: Virtqueue): void {
    this.#owner.wrote()
    if (ring.mustNotify()) this.#owner.notify()
  }

  /** The same driver goes on, as if the queue had not been stopped. */
  #goOn(ring: Virtqueue): void {
    const late = this.#late
    this.#late = []
    // The device still has these chains, so the driver leaves their descriptors as they are.
    for (const chain of this.#waiting) this.#readAgain(chain)
    for (const { chain, length, bytes } of late) {
      this.#readAgain(chain)
      chain.writable.copyFrom(bytes, 0, bytes.bytes.length)
      ring.addUsed(chain.head, length)
      this.#free.push(chain)
    }
  }

  /** @throws VirtqueueError as Chain.read, and for a chain whose request or room has become another one. */
  #readAgain(chain: Chain): void {
    const { readable, writable } = chain
    const [asked, room] = [readable.total, writable.total]
    this.#read(chain, chain.head)
    if (readable.total === asked && writable.total === room) return
    throw new VirtqueueError('a chain that has changed while the device had it')
  }
}

/** What is saved of a queue, as data fit for JSON. */
export interface SavedQueue {
  /** The first descriptors of the chains with requests that are not answered yet. */
  readonly waiting: readonly number[]
}

interface StoppedRing extends QueueSetup {
  /** The value of {@link Virtqueue.done} when the queue was stopped. */
  readonly done: number
}

/**
 * Whether the ring has the same driver and state as before. A new driver's ring may lie at the same place.
 * After a multiple of 65,536 requests its available ring may have the same index, but if requests wait, its
 * used ring has not.
 */
function isContinued(before: StoppedRing, now: QueueSetup, done: number): boolean {
  const { addresses: a } = before
  const { addresses: b } = now
  return (
    before.next === now.next &&
    before.done === done &&
    a.size === b.size &&
    a.descriptors === b.descriptors &&
    a.available === b.available &&
    a.used === b.used
  )
}
