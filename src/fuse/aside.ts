import { type Payload, heapMemory, run } from '../sys/memory.ts'
import type { ReplyPlace } from '../sys/reply-place.ts'
import { systemMemory } from '../sys/system-memory.ts'

/** A place of a reply that is not sent: for a payload whose own place is not to be written yet. */
export class Aside implements ReplyPlace {
  readonly isBackedUp = false
  #payload: Payload = run(heapMemory(0), 0, 0)

  /** Nothing: no reply is made here. */
  reserve(): Payload {
    return run(heapMemory(0), 0, 0)
  }

  payload(_headBytes: number, count: number): Payload {
    this.#payload = run(systemMemory(count), 0, count)
    return this.#payload
  }

  /** The first `length` bytes of the payload that was put here. */
  bytes(length: number): Uint8Array {
    const { memory, offset } = this.#payload
    return memory.bytes.subarray(offset, offset + length)
  }

  commit(): void {}

  forget(): void {}
}
