/** What befalls frames from one machine to another. Each may be left out: then it does not happen. */
export interface LinkConditions {
  /** Milliseconds that a frame is under way: 0 to an hour. A reply has its own way, and its own delay. */
  readonly delay?: number
  /**
   * Milliseconds by which the delay is shorter or longer, evenly spread: 0 to `delay`. Frames do not overtake
   * each other.
   */
  readonly jitter?: number
  /** Which part of the frames is lost on the way: 0 for none to 1 for all. */
  readonly loss?: number
  /**
   * Bits a second, more than 0. What comes faster waits for its turn, and is dropped where more waits already than
   * the line carries in a fifth of a second (or ten frames, if that is more).
   */
  readonly bandwidth?: number
}

/** Longest delay in milliseconds. */
const DELAY_MAX = 3_600_000

/** @throws RangeError that names the condition. */
export function checkConditions({
  delay = 0,
  jitter = 0,
  loss = 0,
  bandwidth,
}: LinkConditions): void {
  check('delay', delay, delay >= 0 && delay <= DELAY_MAX, `0 to ${DELAY_MAX} milliseconds`)
  check(
    'jitter',
    jitter,
    jitter >= 0 && jitter <= delay,
    `0 to the delay, which is ${delay} milliseconds`,
  )
  check('loss', loss, loss >= 0 && loss <= 1, '0 (nothing is lost) to 1 (everything is)')
  check(
    'bandwidth',
    bandwidth,
    bandwidth === undefined || bandwidth > 0,
    'more than 0 bits a second',
  )
}

function check(name: string, value: number | undefined, fits: boolean, range: string): void {
  if (!fits) throw new RangeError(`${name} is ${value}: it has to be ${range}.`)
}
