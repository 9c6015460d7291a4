import { type GuestClock, type Range, overlap } from './guest-clock.ts'

/** How right a clock is that is right, in milliseconds. */
export const CLOCK_TOLERANCE = 50

/** How often the clock is set until it is given up. Each time takes about a second. */
const STEPS = 20

/** How often the guest is asked for its time until it is clear what to do. */
const LOOKS = 12

/** A range of so many milliseconds is narrow enough to set the clock by. */
const NARROW = 40

/**
 * What became of a clock. `changed`: the guest has set it itself, and it was left alone from then on. `stopped`: so was it
 * when the signal was aborted. `unknown`: the guest does not say what time it is. `off`: it is still this many milliseconds
 * early; late if negative.
 */
export type ClockResult =
  | { readonly kind: 'right' | 'changed' | 'stopped' | 'unknown' }
  | { readonly kind: 'off'; readonly early: number }

/**
 * Sets a guest's clock until it is right: looks how late it is, sets it, and looks again.
 *
 * On a busy host the guest may get the processor late, so an answer only says that the guest's clock was read between the
 * question and the answer. Several answers together say more: each can be late on another one of its two ways.
 */
export async function setRight(clock: GuestClock, signal: AbortSignal): Promise<ClockResult> {
  let seen = await measure(clock)
  let lead = Infinity
  for (let steps = 0; ; steps++) {
    if (signal.aborted) return { kind: 'stopped' }
    if (seen === undefined) return { kind: 'unknown' }
    if (seen === 'changed') return { kind: 'changed' }
    if (isRight(seen.early)) return { kind: 'right' }
    const early = (seen.early[0] + seen.early[1]) / 2
    if (steps === STEPS) return { kind: 'off', early: Math.round(early) }

    const used = lead === Infinity ? 0 : lead
    const stepped = await clock.step({ late: -early, lead: used, base: seen.base })
    if (signal.aborted) return { kind: 'stopped' }
    if (stepped === undefined) return { kind: 'unknown' }
    if (!stepped.isSet) return { kind: 'changed' }
    seen = await measure(clock, stepped.base)
    // From the moment at which it was to be set until it was, in the best case.
    if (typeof seen === 'object') lead = Math.min(lead, Math.max(0, used - seen.early[1]))
  }
}

/** What is known of a clock. */
interface Seen {
  /** How much it is early. */
  readonly early: Range
  readonly base: Range
}

/** Looks at a clock until it is clear whether it is right. @param base as it was, if it is known. */
async function measure(clock: GuestClock, base?: Range): Promise<Seen | 'changed' | undefined> {
  let seen: Seen | undefined = base && { early: [-Infinity, Infinity], base }
  for (let looks = 0; looks < LOOKS; looks++) {
    const look = await clock.look()
    if (look === undefined) return undefined
    const early: Range = [look.time - look.arrived, look.time - look.sent]
    const sameBase = seen === undefined ? look.base : overlap(seen.base, look.base)
    if (sameBase === undefined) return 'changed'
    // Nothing in common: the host's own clock was set.
    seen = { early: (seen && overlap(seen.early, early)) ?? early, base: sameBase }
    const [from, to] = seen.early
    if (isRight(seen.early) || to - from <= NARROW) return seen
  }
  return seen
}

function isRight([from, to]: Range): boolean {
  return from >= -CLOCK_TOLERANCE && to <= CLOCK_TOLERANCE
}
