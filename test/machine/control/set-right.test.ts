import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type {
  GuestClock,
  Look,
  StepOptions,
  Stepped,
} from '../../../src/machine/control/guest-clock.ts'
import { readAnswer } from '../../../src/machine/control/guest-clock.ts'
import { CLOCK_TOLERANCE, setRight } from '../../../src/machine/control/set-right.ts'

/** A guest whose answers and whose setting take as long as the test says, in milliseconds of the host's clock. */
class SlowGuest implements GuestClock {
  now = 1_700_000_000_123
  /** What the guest's clock shows less what the host's does. */
  early: number
  readonly done: string[] = []
  /** Is called before each step. */
  beforeStep: () => void = () => {}
  readonly #delay: () => number

  constructor(early: number, delay: () => number) {
    this.early = early
    this.#delay = delay
  }

  async look(): Promise<Look> {
    this.done.push('look')
    const sent = this.now
    this.#pass()
    const clues = this.#clues()
    this.#pass()
    return { ...clues, sent: Math.floor(sent), arrived: Math.floor(this.now) + 1 }
  }

  async step({ late, lead, base }: StepOptions): Promise<Stepped> {
    this.done.push('step')
    this.#pass()
    this.beforeStep()
    const begun = this.now + this.early + late + lead
    const second = Math.floor(begun / 1000) + 1
    this.now += second * 1000 - begun
    const { base: present } = this.#clues()
    const isSet = present[1] >= base[0] && present[0] <= base[1]
    this.#pass()
    if (isSet) this.early = second * 1000 - this.now
    return { ...this.#clues(), isSet }
  }

  /** The guest was started when the epoch began. Its uptime has hundredths of a second. */
  #clues(): Pick<Stepped, 'time' | 'base'> {
    const time = this.now + this.early
    const uptime = Math.floor(this.now / 10) * 10
    return { time, base: [time - uptime - 10, time - uptime] }
  }

  #pass(): void {
    this.now += this.#delay()
  }
}

const never = new AbortController().signal

describe('a guest’s clock', () => {
  it.each([-3500, -400, -51, 70, 86_400_000, -86_400_000])(
    'that is %i ms early becomes right',
    async (early) => {
      const guest = new SlowGuest(early, () => 3)
      expect(await setRight(guest, never)).toEqual({ kind: 'right' })
      expect(Math.abs(guest.early)).toBeLessThanOrEqual(CLOCK_TOLERANCE)
      expect(guest.done).toEqual(['look', 'step', 'look'])
    },
  )

  it('that is right is not set', async () => {
    const guest = new SlowGuest(-30, () => 3)
    expect(await setRight(guest, never)).toEqual({ kind: 'right' })
    expect(guest.done).toEqual(['look'])
  })

  it('is set earlier where setting it takes long', async () => {
    const guest = new SlowGuest(-900, () => 200)
    guest.look = async () => ({
      time: guest.now + guest.early,
      base: [guest.early, guest.early + 10],
      sent: guest.now,
      arrived: guest.now + 1,
    })
    guest.step = async ({ late, lead }) => {
      guest.early += late + lead - 200
      return { time: guest.now + guest.early, base: [guest.early, guest.early + 10], isSet: true }
    }
    expect(await setRight(guest, never)).toEqual({ kind: 'right' })
    expect(guest.early).toBeCloseTo(0, 0)
  })

  it('is said to be right only if it is, however late answers are', async () => {
    const delays = fc.infiniteStream(fc.integer({ min: 0, max: 400 }))
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: -4000, max: 4000 }), delays, async (early, stream) => {
        const guest = new SlowGuest(early, () => stream.next().value as number)
        const { kind } = await setRight(guest, never)
        const isRight = Math.abs(guest.early) <= CLOCK_TOLERANCE
        expect(kind).toBe(kind === 'right' && isRight ? 'right' : 'off')
      }),
      { numRuns: 200 },
    )
  })

  it('becomes right where the host is busy half of the time', async () => {
    let turn = 0
    const guest = new SlowGuest(
      -2000,
      () => [4, 300, 5, 6, 250, 700, 3, 4, 2, 90, 5][turn++ % 11] ?? 0,
    )
    expect(await setRight(guest, never)).toEqual({ kind: 'right' })
    expect(Math.abs(guest.early)).toBeLessThanOrEqual(CLOCK_TOLERANCE)
  })

  it('is given up in the end', async () => {
    const guest = new SlowGuest(-5000, () => 900)
    expect(await setRight(guest, never)).toMatchObject({ kind: 'off' })
  })

  it('is left alone once the guest has set it itself', async () => {
    const guest = new SlowGuest(-700, () => 3)
    guest.beforeStep = () => {
      guest.early = 1e9
    }
    expect(await setRight(guest, never)).toEqual({ kind: 'changed' })
    expect(guest.early).toBe(1e9)
  })

  it('is left alone once the machine is to be saved', async () => {
    const saving = new AbortController()
    const guest = new SlowGuest(-700, () => 3)
    const look = guest.look.bind(guest)
    guest.look = async () => {
      saving.abort()
      return look()
    }
    expect(await setRight(guest, saving.signal)).toEqual({ kind: 'stopped' })
    expect(guest.early).toBe(-700)
  })

  it('that nothing is known of is left alone', async () => {
    const guest = new SlowGuest(-700, () => 3)
    guest.look = async () => undefined as never
    expect(await setRight(guest, never)).toEqual({ kind: 'unknown' })
  })
})

describe('an answer of the guest’s', () => {
  it('has the time, and what the clock was set by', () => {
    expect(readAnswer('7 10.25 1700000000.250000 10.27\n')).toEqual({
      id: 7,
      clues: {
        time: 1_700_000_000_250,
        base: [1_699_999_989_970, 1_699_999_990_000],
        isSet: false,
      },
    })
    expect(readAnswer('7 10.25 1700000000.250000 10.27 set\n').clues?.isSet).toBe(true)
  })

  it.each([
    '',
    '7\n',
    '7 10.25  10.27\n',
    '7 10.25 99999999999999.000000 10.27\n',
    'x'.repeat(128),
  ])('without sense has neither: %j', (text) => {
    expect(readAnswer(text).clues).toBeUndefined()
  })
})
