import type { Clock } from './clock.ts'
import { type LinkConditions, checkConditions } from './conditions.ts'
import type { Random } from './random.ts'

/** Most bytes that are under way on a path, with {@link FRAME_OVERHEAD} for each frame. */
const PATH_BYTES = 4 << 20

/** What it costs to remember a frame, in bytes, beside the frame. */
const FRAME_OVERHEAD = 256

/**
 * What waits for a line of limited bandwidth: as much as it carries in these milliseconds, as in a router that is not
 * to slow everything down, and on a slow line still some whole frames of 1500 bytes.
 */
const LINE_WAIT = 200
const LINE_BYTES = 10 * 1500

/** What has become of the frames of a path. */
export interface PathCounters {
  /** Handed to the other machine's port. */
  arrived: number
  /** Lost, as the conditions say. */
  lost: number
  /** Sent, or under way, while the path was interrupted. */
  cut: number
  /** More than fits on the way, or than a limited bandwidth carries. */
  overflowed: number
}

interface Waiting {
  /** When it arrives, unless one before it is later. */
  readonly due: number
  readonly frame: Buffer
  readonly deliver: (frame: Buffer) => void
}

/** The way of frames from one machine to another, in this direction. */
export class Path {
  readonly counters: PathCounters = { arrived: 0, lost: 0, cut: 0, overflowed: 0 }
  readonly #clock: Clock
  readonly #random: Random
  readonly #isOpen: () => boolean
  #conditions: LinkConditions = {}
  /** In the order in which they were sent and arrive: nobody gets past one who has a longer way. */
  readonly #waiting: Waiting[] = []
  #bytes = 0
  /** When a line of limited bandwidth has sent all that it was given. */
  #lineFree = 0
  #callOff: (() => void) | undefined

  /** @param isOpen whether frames get through at all. */
  constructor(clock: Clock, random: Random, isOpen: () => boolean) {
    this.#clock = clock
    this.#random = random
    this.#isOpen = isOpen
  }

  /**
   * Sets what befalls frames from now on; those under way arrive when they would have.
   *
   * @throws RangeError
   */
  set conditions(conditions: LinkConditions) {
    checkConditions(conditions)
    this.#conditions = conditions
  }

  get conditions(): LinkConditions {
    return this.#conditions
  }

  /**
   * Sends a frame on its way.
   *
   * @param deliver is called when it arrives, if it does: at once where nothing delays it. The frame's bytes
   *   are only there during the call.
   */
  send(frame: Buffer, deliver: (frame: Buffer) => void): void {
    const { counters } = this
    const { delay = 0, jitter = 0, loss = 0, bandwidth } = this.#conditions
    if (!this.#isOpen()) {
      counters.cut++
      return
    }
    if (loss > 0 && this.#random.fraction() < loss) {
      counters.lost++
      return
    }
    const isAtOnce = delay === 0 && bandwidth === undefined && this.#waiting.length === 0
    if (isAtOnce) {
      counters.arrived++
      deliver(frame)
      return
    }

    const now = this.#clock.now()
    const turn = Math.max(now, this.#lineFree)
    const hasNoTurn = bandwidth !== undefined && turn - now > longestWait(bandwidth)
    const cost = frame.length + FRAME_OVERHEAD
    if (hasNoTurn || this.#bytes + cost > PATH_BYTES) {
      counters.overflowed++
      return
    }
    let sent = now
    if (bandwidth !== undefined) sent = this.#lineFree = turn + sendingTime(frame.length, bandwidth)
    const varied = jitter === 0 ? delay : delay + jitter * (2 * this.#random.fraction() - 1)
    this.#bytes += cost
    // A copy of its own size: a slice would keep all that it was received with.
    this.#waiting.push({ due: sent + varied, frame: copyOf(frame), deliver })
    if (this.#waiting.length === 1) this.#wait(now)
  }

  /** Whatever is under way is lost. */
  close(): void {
    this.#callOff?.()
    this.#waiting.length = 0
    this.#bytes = 0
  }

  #wait(now: number): void {
    const [first] = this.#waiting
    if (first === undefined) return
    // Whole milliseconds are what Node's timers know; too late is better than too early.
    const milliseconds = Math.max(1, Math.ceil(first.due - now))
    this.#callOff = this.#clock.later(milliseconds, () => this.#arrive())
  }

  #arrive(): void {
    const now = this.#clock.now()
    const isOpen = this.#isOpen()
    for (
      let next = this.#waiting[0];
      next !== undefined && next.due <= now;
      next = this.#waiting[0]
    ) {
      this.#waiting.shift()
      this.#bytes -= next.frame.length + FRAME_OVERHEAD
      if (isOpen) {
        this.counters.arrived++
        next.deliver(next.frame)
      } else this.counters.cut++
    }
    this.#wait(now)
  }
}

/** Milliseconds that a line takes to send so many bytes. */
function sendingTime(bytes: number, bandwidth: number): number {
  return (bytes * 8000) / bandwidth
}

function longestWait(bandwidth: number): number {
  return Math.max(LINE_WAIT, sendingTime(LINE_BYTES, bandwidth))
}

function copyOf(frame: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(frame.length)
  frame.copy(copy)
  return copy
}
