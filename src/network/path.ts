import type { Clock } from './clock.ts'
import { type LinkConditions, checkConditions } from './conditions.ts'
import type { Random } from './random.ts'

/** The most bytes that are under way on a path, counting {@link FRAME_OVERHEAD} for each frame. */
const PATH_BYTES = 4 << 20

/** The memory for a frame that is under way, in bytes, in addition to the frame itself. */
const FRAME_OVERHEAD = 256

/**
 * The length of the queue of a line with limited bandwidth: what the line carries in {@link LINE_WAIT} milliseconds, as
 * in a router without excessive buffers; on a slow line {@link LINE_BYTES}, which is ten frames of 1500 bytes.
 */
const LINE_WAIT = 200
const LINE_BYTES = 10 * 1500

/** How many frames of a path had which fate. */
export interface PathCounters {
  /** Handed to the other machine's port. */
  arrived: number
  /** Lost, by the condition `loss`. */
  lost: number
  /** Dropped because the path was interrupted when they were sent or when they would have arrived. */
  cut: number
  /** Dropped because too many were under way, or waited for a line of limited bandwidth. */
  overflowed: number
}

interface Waiting {
  /** When it arrives, or later if a frame before it is later. */
  readonly due: number
  readonly frame: Buffer
  readonly deliver: (frame: Buffer) => void
}

/** The way of frames from one machine to another, in one direction. */
export class Path {
  readonly counters: PathCounters = { arrived: 0, lost: 0, cut: 0, overflowed: 0 }
  readonly #clock: Clock
  readonly #random: Random
  readonly #isOpen: () => boolean
  #conditions: LinkConditions = {}
  /** In the order in which they were sent, which is that of their arrival: frames do not overtake each other. */
  readonly #waiting: Waiting[] = []
  #bytes = 0
  /** When a line of limited bandwidth has sent all frames of its queue. */
  #lineFree = 0
  #callOff: (() => void) | undefined

  /** @param isOpen whether the path is not interrupted. */
  constructor(clock: Clock, random: Random, isOpen: () => boolean) {
    this.#clock = clock
    this.#random = random
    this.#isOpen = isOpen
  }

  /**
   * Sets the conditions for frames that are sent from now on. Frames under way arrive at the time that was set before.
   *
   * @throws RangeError as {@link checkConditions}.
   */
  set conditions(conditions: LinkConditions) {
    checkConditions(conditions)
    this.#conditions = conditions
  }

  get conditions(): LinkConditions {
    return this.#conditions
  }

  /**
   * Sends a frame.
   *
   * @param deliver is called when the frame arrives, if it does: at once where nothing delays it. The frame's bytes are
   *   valid only during the call.
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
    // A copy of exactly its size: a slice would keep the whole buffer that it was received in.
    this.#waiting.push({ due: sent + varied, frame: copyOf(frame), deliver })
    if (this.#waiting.length === 1) this.#wait(now)
  }

  /** Drops all frames that are under way. */
  close(): void {
    this.#callOff?.()
    this.#waiting.length = 0
    this.#bytes = 0
  }

  #wait(now: number): void {
    const [first] = this.#waiting
    if (first === undefined) return
    // Node's timers count whole milliseconds; a frame may be late, but not early.
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

/** How long a line takes to send so many bytes, in milliseconds. @param bandwidth in bits per second. */
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
