/** The shortest and the longest time of busy polling, in microseconds. */
const SHORTEST_US = 8
const LONGEST_US = 100

/** After so many short sleeps in a row, each behind the longest time of polling, polling is taken to be in vain. */
const DOUBTS = 4

/** For so many sleeps nothing is polled then, the first time and at most. */
const REST = 64
const LONGEST_REST = 4096

/**
 * How long busy polling pays before sleeping. Waking a CPU takes some 30 microseconds in a virtual machine, so a
 * client that asks again at once is answered much sooner by a loop that still polls. The time is learnt from the
 * sleeps, as KVM learns how long to poll for a halted virtual CPU (virt/kvm/kvm_main.c, kvm_vcpu_block): after a short
 * sleep polls go on a little longer, after a long one there are none.
 *
 * Where client and server share a CPU, polling is in vain however soon the next request comes: the client cannot
 * make it meanwhile. That shows in short sleeps after the longest time of polling. Then there are no polls for some
 * sleeps, and each time for twice as many.
 */
export class BusyPollTime {
  #microseconds = 0
  #doubts = 0
  #rest = 0
  #nextRest = REST

  /** How long to poll now, in microseconds; 0 is not at all. */
  get microseconds(): number {
    return this.#microseconds
  }

  /** Work came while it was polled for. */
  paid(): void {
    this.#doubts = 0
    this.#nextRest = REST
  }

  /** No work came while it was polled for, and then the thread slept for so long, in microseconds. */
  slept(duration: number): void {
    if (this.#rest > 0) {
      this.#rest--
      // One time of polling is enough to see whether that has changed.
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
