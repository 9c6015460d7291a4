/** From one number to another, in milliseconds. */
export type Range = readonly [from: number, to: number]

/** What the guest says of its clock. */
export interface Clues {
  /** The time in milliseconds since the epoch. */
  readonly time: number
  /** The time less the uptime: it changes when the clock is set, and otherwise does not. */
  readonly base: Range
}

/** What the guest says of its clock after it was to set it. */
export interface Stepped extends Clues {
  /** Whether it has set it. */
  readonly isSet: boolean
}

/** What the guest has said of its clock, and when on the host's clock that was. */
export interface Look extends Clues {
  /** The guest was asked at this time or later. */
  readonly sent: number
  /** It had answered by then. */
  readonly arrived: number
}

/** How to set a clock at the next whole second, in milliseconds. */
export interface StepOptions {
  /** How much it is late; negative where it is early. */
  readonly late: number
  /** How much before the whole second to begin. */
  readonly lead: number
  /** As it was seen. A clock that has been set since is left alone. */
  readonly base: Range
}

/** A guest's clock. Its methods resolve with undefined if the guest does not answer, or cannot say. */
export interface GuestClock {
  look(): Promise<Look | undefined>
  /** Sets the clock, unless it may not be set any more, and says what it then shows. */
  step(options: StepOptions): Promise<Stepped | undefined>
}

/** An answer: its number, the uptime, the time, the uptime again, and whether the clock was set. */
const ANSWER = /^(\d{1,15}) (\d{1,10}\.\d\d) (\d{1,12}\.\d{6}) (\d{1,10}\.\d\d)( set)?\n$/

/** The hundredths of a second that the kernel cuts off (proc_uptime(5)), in milliseconds. */
const UPTIME_UNIT = 10

/** Reads what the guest's process has written. Without clues where that makes no sense: its busybox may know no fractions. */
export function readAnswer(text: string): {
  readonly id: number
  readonly clues: Stepped | undefined
} {
  const [, id, before, seconds, after, set] = ANSWER.exec(text) ?? []
  if (seconds === undefined) return { id: Number.parseInt(text, 10), clues: undefined }
  const time = Number(seconds) * 1000
  const base: Range = [time - Number(after) * 1000 - UPTIME_UNIT, time - Number(before) * 1000]
  return { id: Number(id), clues: { time, base, isSet: set !== undefined } }
}

/** What both ranges have in common; undefined if there is nothing. */
export function overlap(a: Range, b: Range): Range | undefined {
  const [from, to] = [Math.max(a[0], b[0]), Math.min(a[1], b[1])]
  return from <= to ? [from, to] : undefined
}
