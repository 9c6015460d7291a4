/** What happens to frames on the way from one machine to another. A condition that is left out has no effect. */
export interface LinkConditions {
  /** How long a frame is under way, in milliseconds: 0 to an hour. The way back has its own delay. */
  readonly delay?: number
  /**
   * By how much the delay varies in both directions, in milliseconds, evenly distributed: 0 to `delay`. Frames do not
   * overtake each other.
   */
  readonly jitter?: number
  /** The share of frames that is lost: 0 for none to 1 for all. */
  readonly loss?: number
  /**
   * In bits per second, more than 0. Frames that come faster wait in a queue. The queue holds what the line carries in
   * 200 ms, or ten frames of 1500 bytes if that is more; frames beyond that are dropped.
   */
  readonly bandwidth?: number
}

/** The longest delay, in milliseconds. */
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
    'more than 0 bits per second',
  )
}

function check(name: string, value: number | undefined, fits: boolean, range: string): void {
  if (!fits) throw new RangeError(`${name} is ${value}: it has to be ${range}.`)
}
