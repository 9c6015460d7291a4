import { heapMemory, heldBytes } from '../../../src/sys/memory.ts'
import type { Chain, ChainServer } from '../../../src/transport/vhost-user/chain.ts'
import type { Device } from '../../../src/transport/vhost-user/device.ts'

/** A request that has to wait for its answer. */
export const LATER = 'later'
/** A request that the device cannot serve. */
export const IMPOSSIBLE = 'impossible'

/**
 * A device of two queues that is no 9P device. It answers each request with its text, the queue that it came by and how
 * many requests there were, in both queues together: one session over all queues, as virtio-fs has it. Like that device's
 * first queue, its own gives requests of no writable bytes back unused.
 */
export class CountingDevice implements Device {
  readonly queues = 2
  readonly features = 1n << 5n
  readonly config: Uint8Array
  /** How many requests there were since the last {@link reset}. */
  requests = 0
  resets = 0
  /** Answers those that wait, in their order. */
  readonly waiting: (() => void)[] = []

  constructor(config: Uint8Array) {
    this.config = config
  }

  serverFor(chain: Chain, queue: number): ChainServer {
    const answer = (text: string): void => {
      const { isReachable, writable } = chain
      const bytes = Buffer.from(`${text} in ${queue}, ${this.requests} in all`)
      if (writable.total === 0) chain.answer(0)
      else if (isReachable && writable.count === 1) {
        writable.memory.bytes.set(bytes, writable.offset)
        chain.answer(bytes.length)
      } else chain.answer(bytes.length, heldBytes(bytes), bytes.length)
    }
    return {
      serve: () => {
        const { readable } = chain
        const asked = heapMemory(readable.total)
        readable.copyTo(asked, 0, 0, readable.total)
        const text = asked.bytes.toString()
        if (text === IMPOSSIBLE) throw new Error('a request that is impossible')
        this.requests++
        if (text === LATER) this.waiting.push(() => answer(text))
        else answer(text)
      },
    }
  }

  reset(): void {
    this.requests = 0
    this.resets++
    this.waiting.length = 0
  }
}
