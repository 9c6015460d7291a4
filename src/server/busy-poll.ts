/** The shortest and the longest time of busy polling, in microseconds. */
const SHORTEST_US = 8
const LONGEST_US = 100

/**
 * After so many short sleeps in a row, each after polling for the longest time, polling is taken to be
 * useless.
 */
const DOUBTS = 4

/** Then nothing is polled for so many sleeps: at first, and at most. */
const REST = 64
const LONGEST_REST = 4096

/**
 * Decides how long to busy-poll before the thread sleeps. In a virtual machine it takes some 30 microseconds
 * to wake a CPU, so a loop that still polls answers a client that asks again at once much sooner. The time is
 * learnt from the sleeps, as KVM learns how long to poll for a halted virtual CPU (virt/kvm/kvm_main.c,
 * kvm_vcpu_block): after a short sleep the next poll is a little longer, after a long sleep there is none.
 *
 * If client and server share a CPU, polling is useless, because the client cannot make its next request
 * meanwhile. This shows in short sleeps after polls of the longest time. Then nothing is polled for some
 * sleeps, and each time this happens for twice as many.
 */
export class BusyPollTime {
  #microseconds = 0
  #doubts = 0
  #rest = 0
  #nextRest = REST

  /** How long to poll now, in microseconds; 0 for not at all. */
  get microseconds(): number {
    return this.#microseconds
  }

  /** Work came during the poll. */
  paid(): void {
    this.#doubts = 0
    this.#nextRest = REST
  }

  /** No work came during the poll, and then the thread slept for so long, in microseconds. */
  slept(duration: number): void {
    if (this.#rest > 0) {
      this.#rest--
      // One poll is enough to see whether client and server still share a CPU.
      if (this.#rest === 0) {
        this.#microseconds = LONGEST_US
        this.#doubts = DOUBTS - 1
      }
      return
    }
    if (duration > LONGEST_US) {
      this.#microseconds = 0
      this.#doubts = 0
      return
    }
    if (this.#microseconds < LONGEST_US) {
      this.#microseconds = Math.min(LONGEST_US, Math.max(SHORTEST_US, this.#microseconds * 2))
      return
    }
    if (++this.#doubts < DOUBTS) return
    this.#microseconds = 0
    this.#doubts = 0
    this.#rest = this.#nextRest
    this.#nextRest = Math.min(LONGEST_REST, this.#nextRest * 2)
  }
}
