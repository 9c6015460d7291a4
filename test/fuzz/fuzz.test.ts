import { expect, it } from 'vitest'
import { protocol9p } from './9p/sequence.ts'
import { protocolFuse } from './fuse/sequence.ts'
import { play } from './play.ts'

/** How long to go on with both protocols together; without it, for a number of sequences of each. */
const seconds = Number(process.env['LOWERDIR_FUZZ_SECONDS'] ?? 0) / 2
/** The first sequence's seed; each one after it has the next. */
const firstSeed = Number(process.env['LOWERDIR_FUZZ_SEED'] ?? 1)

const timeout = (seconds + 120) * 1000

it(
  'keeps its promises for any requests of a 9P client and any changes on the host',
  { timeout },
  async () => {
    expect(await play(protocol9p, firstSeed, seconds)).toBeGreaterThan(0)
  },
)

it(
  'keeps its promises for any requests of a FUSE client and any changes on the host',
  { timeout },
  async () => {
    expect(await play(protocolFuse, firstSeed, seconds)).toBeGreaterThan(0)
  },
)
