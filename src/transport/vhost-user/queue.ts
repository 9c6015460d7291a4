import { Chain, type ChainOwner, type ChainServer } from './chain.ts'
import type { GuestMemory } from './guest-memory.ts'
import type { Polled } from '../event-loop.ts'
import { type RingAddresses, Virtqueue } from './virtqueue.ts'

/** After so many requests the driver is notified, so that it takes their answers while the next ones are made. */
const BATCH = 8

/** How many requests are served before the rest of what the event loop watches has its turn. */
const SHARE = 64

/** How a queue is to be served. */
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

/** The device that a queue belongs to. */
export interface QueueOwner {
  /** A broken device serves nothing. */
  readonly isBroken: boolean
  /** What is to serve the requests that come by `chain`. */
  serverFor(chain: Chain): ChainServer
  /** The driver is to be notified. @throws ErrnoError as write(2). */
  notify(): void
  /** The queue has another driver than before, so the device has. */
  driverChanged(): void
  /** The driver has broken the rules, or could not be served: the device is broken from now on. */
  broke(error: unknown): void
}

/**
 * One queue of a device: each chain that the driver makes available is a request and the room for its answer.
 *
 * A queue outlives being stopped, as when its machine is paused: requests that are not answered by then are answered when
 * the same driver's ring goes on.
 */
export class Queue implements ChainOwner, Polled {
  readonly #owner: QueueOwner
  #setup: QueueSetup | undefined
  #ring: Virtqueue | undefined
  /** How the ring was set up and how far it was when the queue was stopped last. */
  #before: StoppedRing | undefined
  /** Chains for the next requests. */
  readonly #free: Chain[] = []
  /** Chains of requests whose answer is still to come. */
  readonly #waiting = new Set<Chain>()
  /** Answers that came while the queue was stopped. */
  #late: { readonly chain: Chain; readonly length: number; readonly bytes: Buffer }[] = []
  /** The chain that its server is being told of, until it is answered. */
  #current: Chain | undefined
  #isServing = false

  constructor(owner: QueueOwner) {
    this.#owner = owner
  }

  get isRunning(): boolean {
    return this.#ring !== undefined
  }

  /** Serves the ring from now on, unless the device is broken. A ring that cannot be served breaks the device. */
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
      ring.disableNotifications()
      this.#notify(ring)
    } catch (error) {
      this.#owner.broke(error)
    }
  }

  /** @returns the index in the available ring to go on at; undefined where it was not running. */
  stop(): number | undefined {
    const ring = this.#ring
    if (this.#setup === undefined || ring === undefined) return undefined
    this.#before = { ...this.#setup, next: ring.next, done: ring.done }
    this.#ring = undefined
    this.#setup = undefined
    for (const chain of this.#waiting) chain.isReachable = false
    return ring.next
  }

  /** Forgets requests from before the queue was stopped, which are then never answered. */
  forgetStopped(): void {
    if (this.#before === undefined) return
    this.#before = undefined
    this.#waiting.clear()
    this.#late = []
  }

  poll(): boolean {
    const ring = this.#ring
    if (ring === undefined || !ring.hasWork) return false
    this.#isServing = true
    try {
      this.#serve(ring)
    } catch (error) {
      // Whatever it is, it concerns this device alone: others of this process are served on.
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

  answered(chain: Chain, length: number, head: Uint8Array | undefined): void {
    const ring = this.#ring
    if (ring === undefined || !chain.isReachable) {
      // A copy: `head` is lent.
      const bytes = Buffer.from(head ?? [])
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
      // The answer may come from another client's request, such as one that unlocks a file. That client goes on.
      this.#owner.broke(error)
    }
  }

  #serve(ring: Virtqueue): void {
    for (let served = 1; served <= SHARE; served++) {
      const head = ring.pop()
      if (head < 0) break
      const chain = this.#free.pop() ?? this.#newChain()
      this.#read(chain, head)
      this.#current = chain
      chain.server.serve()
      // Answering a request of another queue may have broken the device.
      if (this.#ring !== ring) return
      if (this.#current === chain) this.#waiting.add(chain)
      this.#current = undefined
      if (served % BATCH === 0) this.#notify(ring)
    }
    this.#notify(ring)
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
    if (ring.mustNotify()) this.#owner.notify()
  }

  /** The same driver goes on, as if the queue had not been stopped. */
  #goOn(ring: Virtqueue): void {
    const late = this.#late
    this.#late = []
    // The device has these chains, so the driver leaves their descriptors as they are.
    for (const chain of this.#waiting) this.#read(chain, chain.head)
    for (const { chain, length, bytes } of late) {
      this.#read(chain, chain.head)
      chain.writable.copyFrom(bytes)
      ring.addUsed(chain.head, length)
      this.#free.push(chain)
    }
  }
}

interface StoppedRing extends QueueSetup {
  /** {@link Virtqueue.done} when it was stopped. */
  readonly done: number
}

/**
 * Whether it is the same driver's ring, and as it was. A new driver's ring may well be at the same place, and after a
 * multiple of 65,536 requests as far in the available ring, but not in the used ring if requests wait.
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
