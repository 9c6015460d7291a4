import { getHeapStatistics } from 'node:v8'
import { errno } from '../sys/errno.ts'
import type { LockClient } from '../tree/locks.ts'
import type { Exports } from '../tree/tree.ts'
import { LimitError } from './session-limits.ts'

/** How much of the heap one of these takes, in bytes, rounded up. */
export const heapBytes = { fid: 128, xattr: 512, lock: 384, postponed: 512 } as const

/**
 * The memory that all clients of a server may take together, in bytes. The limits of one client do not bound it, since there
 * may be many clients, and a process whose heap is full ends.
 */
export class ClientMemory {
  #left: number

  constructor(most: number) {
    this.#left = most
  }

  /** Negative where more was counted than there may be. */
  get left(): number {
    return this.#left
  }

  /** @param ecode the errno that the client gets. @throws LimitError where so many bytes are not left. */
  check(bytes: number, ecode: number): void {
    if (bytes > this.#left) throw new LimitError('memory', ecode)
  }

  /** Counts bytes that were checked, or, if negative, bytes that were given back. */
  count(bytes: number): void {
    this.#left -= bytes
  }
}

const shared = new WeakMap<Exports, ClientMemory>()

/** The memory of all sessions on these exports: the first one's limit holds, and never more than a quarter of the heap. */
export function clientMemory(exports: Exports, most: number): ClientMemory {
  let memory = shared.get(exports)
  if (memory === undefined) {
    memory = new ClientMemory(Math.min(most, getHeapStatistics().heap_size_limit / 4))
    shared.set(exports, memory)
  }
  return memory
}

/** A session as a client of locks. Its limit is its own, or what the others have left of the memory. */
export class SessionLocks implements LockClient {
  readonly #most: number
  readonly #memory: ClientMemory
  #held = 0

  constructor(most: number, memory: ClientMemory) {
    this.#most = most
    this.#memory = memory
  }

  get most(): number {
    const more = Math.max(0, Math.floor(this.#memory.left / heapBytes.lock))
    return Math.min(this.#most, this.#held + more)
  }

  get held(): number {
    return this.#held
  }

  set held(held: number) {
    this.#memory.count((held - this.#held) * heapBytes.lock)
    this.#held = held
  }

  refusal(): LimitError {
    return new LimitError(this.most === this.#most ? 'locks' : 'memory', errno.ENOLCK)
  }
}
