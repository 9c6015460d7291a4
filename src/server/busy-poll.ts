/** The shortest and the longest time that is spent looking, in microseconds. */
const SHORTEST_US = 8
const LONGEST_US = 100

/** So often in a row it may turn out that what came soon would not come while it was looked for. */
const DOUBTS = 4

/** For so many sleeps nothing is looked for after that, at first and at most. */
const REST = 64
const LONGEST_REST = 4096

/**
 * How long it pays to look for work before sleeping. To be woken takes a processor some 30 microseconds in
 * a virtual machine, so a client that asks again at once is answered much sooner by somebody who still
 * looks. How long that takes is learnt from the sleeps, as KVM learns how long to poll for a halted
 * processor (virt/kvm/kvm_main.c, kvm_vcpu_block): a short one would have been worth looking a little
 * longer, after a long one nobody looks.
 *
 * Where client and server share a processor looking is in vain, however soon the request comes: the client
 * cannot make it meanwhile. That shows in short sleeps after the longest look. Then nothing is looked for
 * any more for some sleeps, and each time for twice as many.
 */
export class Patience {
  #microseconds = 0
  #doubts = 0
  #rest = 0
  #nextRest = REST

  /** How long to look now, in microseconds; 0 is not at all. */
  get microseconds(): number {
    return this.#microseconds
  }

  /** Something came while it was looked for. */
  paid(): void {
    this.#doubts = 0
    this.#nextRest = REST
  }

  /** Nothing came, and then it took so long, in microseconds, until something woke the sleeper. */
  slept(duration: number): void {
    if (this.#rest > 0) {
      this.#rest--
      // One look will do to see whether that has changed.
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
