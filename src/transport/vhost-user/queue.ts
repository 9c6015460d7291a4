import { type SystemMemory, systemMemory } from '../../sys/system-memory.ts'
import { ProtocolError } from '../../9p/wire/protocol-error.ts'
import { frameSize, frameType } from '../../9p/wire/frame.ts'
import { HEADER_BYTES, MSIZE_MIN, WRITE_HEADER_BYTES } from '../../9p/wire/limits.ts'
import { messages } from '../../9p/wire/messages.ts'
import type { SessionLimits } from '../../9p/session-limits.ts'
import { Session } from '../../9p/session.ts'
import type { Exports } from '../../tree/tree.ts'
import type { Polled } from '../../server/loop.ts'
import { reasonFor } from '../reason.ts'
import { Chain, type ChainOwner } from './chain.ts'
import { readChain } from './descriptor-chain.ts'
import type { GuestMemory } from './guest-memory.ts'
import { VirtqueueError } from './virtqueue-error.ts'
import { type RingAddresses, Virtqueue } from './virtqueue.ts'

/** Size, type and tag, and an errno: the shortest answer that must always find room. */
const ERROR_BYTES = HEADER_BYTES + 4

/** After so many answers the driver is woken, so that it starts on them while the next ones are made. */
const TOGETHER = 8

/** How many chains are served before whatever else this thread watches has its turn. */
const TURNS = 64

/** How a queue is to be served. */
export interface QueueSetup {
  readonly memory: GuestMemory
  readonly addresses: RingAddresses
  /** Where to begin in the available ring. */
  readonly next: number
  readonly eventIndex: boolean
  readonly indirect: boolean
}

/**
 * The one queue of a 9P device (virtio's "requests" queue): each chain is a request and the room for its
 * answer, and all of them are one session. It outlives being stopped, as when a machine is paused:
 * requests whose answer was still to come are then answered when it goes on.
 */
export class RequestQueue implements ChainOwner, Polled {
  readonly scratch: SystemMemory
  readonly #session: Session
  readonly #log: (line: string) => void
  /** Wakes the driver. */
  readonly #signal: () => void
  #setup: QueueSetup | undefined
  #queue: Virtqueue | undefined
  /** How it was set up when it was stopped last, with the places where it would go on. */
  #before: Stopped | undefined
  /** Chains that nobody uses. */
  readonly #free: Chain[] = []
  /** Those whose answer is still to come. */
  readonly #waiting = new Set<Chain>()
  /** Answers that came while the queue was stopped. */
  #late: { readonly chain: Chain; readonly length: number; readonly frame: Buffer }[] = []
  /** The one that a request is read from, until it is answered. */
  #current: Chain | undefined
  #isServing = false
  /** The device has stopped by itself, and stays so until {@link reset}. */
  #isBroken = false
  /** For requests that do not lie in one run. */
  #gathered: SystemMemory | undefined

  constructor(
    exports: Exports,
    limits: SessionLimits,
    log: (line: string) => void,
    signal: () => void,
  ) {
    this.scratch = systemMemory(limits.msize)
    this.#session = new Session(exports, log, limits)
    this.#log = log
    this.#signal = signal
  }

  /** Serves the ring from now on. One that cannot be served is the driver's fault, and stops the device. */
  start(setup: QueueSetup): void {
    if (this.#isBroken) return
    const { memory, addresses, next, eventIndex } = setup
    try {
      this.#queue = new Virtqueue(memory, addresses, next, eventIndex)
      this.#setup = setup
      if (isContinued(this.#before, setup, this.#queue.done)) this.#goOn(this.#queue)
      // Another driver, or one that has begun anew: it knows nothing of those.
      else this.#drop()
      this.#before = undefined
      this.#queue.stopListening()
      this.#wake(this.#queue)
    } catch (error) {
      this.#break(error)
    }
  }

  /** @returns where it would go on: the ring's next available chain. */
  stop(): number | undefined {
    const queue = this.#queue
    if (this.#setup !== undefined && queue !== undefined) {
      this.#before = { ...this.#setup, next: queue.next, done: queue.done }
    }
    this.#queue = undefined
    this.#setup = undefined
    for (const chain of this.#waiting) chain.isReachable = false
    return queue?.next
  }

  /** What comes now is another driver's, or the same one's new beginning. */
  reset(): void {
    this.#isBroken = false
  }

  /** Ends the conversation. */
  close(): void {
    this.stop()
    this.#drop()
  }

  look(): boolean {
    const queue = this.#queue
    if (queue === undefined || !queue.hasWork) return false
    this.#isServing = true
    try {
      this.#serve(queue)
    } catch (error) {
      this.#break(error)
    }
    this.#isServing = false
    return true
  }

  listen(): boolean {
    return this.#queue?.listen() ?? false
  }

  stopListening(): void {
    this.#queue?.stopListening()
  }

  answered(chain: Chain, length: number, frame: Uint8Array | undefined): void {
    const queue = this.#queue
    if (queue === undefined || !chain.isReachable) {
      // Copied, since it is lent.
      const kept = Buffer.from(frame ?? [])
      if (this.#waiting.delete(chain)) this.#late.push({ chain, length, frame: kept })
      return
    }
    queue.give(chain.head, length)
    if (chain === this.#current) this.#current = undefined
    else this.#waiting.delete(chain)
    this.#free.push(chain)
    if (this.#isServing) return
    try {
      this.#wake(queue)
    } catch (error) {
      // Whoever has caused this answer, such as another client that unlocks a file, has no part in it.
      this.#break(error)
    }
  }

  #serve(queue: Virtqueue): void {
    for (let served = 1; served <= TURNS; served++) {
      const head = queue.take()
      if (head < 0) break
      const chain = this.#read(this.#free.pop() ?? new Chain(this), head)
      this.#current = chain
      this.#receive(chain)
      if (this.#current === chain) this.#waiting.add(chain)
      this.#current = undefined
      if (served % TOGETHER === 0) this.#wake(queue)
    }
    this.#wake(queue)
  }

  #wake(queue: Virtqueue): void {
    if (queue.mustSignal()) this.#signal()
  }

  /** The chain that begins at `head`, as it lies in the guest's memory now. */
  #read(chain: Chain, head: number): Chain {
    const { readable, writable } = chain
    readable.clear()
    writable.clear()
    chain.head = head
    chain.isReachable = true
    const { memory, indirect } = this.#setup as QueueSetup
    readChain(this.#queue as Virtqueue, head, memory, indirect, readable, writable)
    return chain
  }

  /** @throws ProtocolError for what is no request, VirtqueueError for one that cannot be answered. */
  #receive(chain: Chain): void {
    const { readable, writable } = chain
    const { total } = readable
    if (writable.total < ERROR_BYTES) {
      throw new VirtqueueError(`a request with room for ${writable.total} bytes of an answer`)
    }
    if (total < HEADER_BYTES) {
      throw new ProtocolError('FRAME_TOO_SMALL', `a request of ${total} bytes`)
    }
    const limit = this.#session.msize || MSIZE_MIN
    if (readable.count === 1) {
      const { memory, offset } = readable
      const size = frameSize(memory, offset, offset + total, limit)
      if (size === 0) throw tooShort(total)
      this.#session.receive(memory, offset, size, chain)
      return
    }
    // As Linux sends what it writes without a copy: the header, then the pages (p9_virtio_zc_request).
    if (readable.length === WRITE_HEADER_BYTES) {
      const { memory, offset } = readable
      const size = frameSize(memory, offset, offset + total, limit)
      if (size === total && frameType(memory, offset) === messages.write.type) {
        const tail = readable.pieces(WRITE_HEADER_BYTES, total - WRITE_HEADER_BYTES)
        this.#session.receive(memory, offset, size, chain, tail)
        return
      }
    }
    if (total > limit) {
      throw new ProtocolError('FRAME_TOO_LARGE', `${total} bytes, above the msize of ${limit}`)
    }
    this.#gathered ??= systemMemory(this.#session.limits.msize)
    const memory = this.#gathered
    readable.copyTo(memory.bytes.subarray(0, total))
    const size = frameSize(memory, 0, total, limit)
    if (size === 0) throw tooShort(total)
    this.#session.receive(memory, 0, size, chain)
  }

  /** The device stops, and nothing else: whatever it is, it concerns this driver alone. */
  #break(error: unknown): void {
    this.#log(`the device has stopped: ${reasonFor(error)}`)
    this.stop()
    this.#isBroken = true
    this.#before = undefined
    this.#drop()
  }

  /** Forgets the session's state, and what waits for an answer without giving it back. */
  #drop(): void {
    this.#session.reset()
    this.#waiting.clear()
    this.#late = []
  }

  /** The same driver goes on, as if nothing had happened. */
  #goOn(queue: Virtqueue): void {
    const late = this.#late
    this.#late = []
    // While a chain is in the device's hands its descriptors stay as they are.
    for (const chain of this.#waiting) this.#read(chain, chain.head)
    for (const { chain, length, frame } of late) {
      this.#read(chain, chain.head)
      chain.writable.copyFrom(frame)
      queue.give(chain.head, length)
      this.#free.push(chain)
    }
  }
}

function tooShort(total: number): ProtocolError {
  return new ProtocolError('TRUNCATED', `size[4] is more than the ${total} bytes of its chain`)
}

interface Stopped extends QueueSetup {
  readonly done: number
}

/**
 * Whether it is the same driver's ring, and as it was. A new driver's may well be at the same place, and
 * after a multiple of 65,536 requests as far in the available ring, but not in the used one if anything waits.
 */
function isContinued(before: Stopped | undefined, now: QueueSetup, done: number): boolean {
  if (before === undefined) return false
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
