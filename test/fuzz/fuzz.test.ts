import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { Generator } from './generate.ts'
import { minimise } from './minimise.ts'
import { runSequence, Violation } from './sequence.ts'
import { type Step, traceText } from './steps.ts'
import { watchdog } from './watchdog.ts'

/** How long to go on; without it, for a number of sequences that a few seconds are enough for. */
const seconds = Number(process.env['LOWERDIR_FUZZ_SECONDS'] ?? 0)
const SEQUENCES = 300
/** The first sequence's seed; each one after it has the next. */
const firstSeed = Number(process.env['LOWERDIR_FUZZ_SEED'] ?? 1)

const crashers = fileURLToPath(new URL('crashers/', import.meta.url))

it(
  'keeps its promises for any requests of a client and any changes on the host',
  { timeout: (seconds + 120) * 1000 },
  async () => {
    using alive = await watchdog()
    const end = performance.now() + seconds * 1000
    let steps = 0
    let seed = firstSeed
    const goesOn = (): boolean =>
      seconds > 0 ? performance.now() < end : seed < firstSeed + SEQUENCES
    for (; goesOn(); seed++) {
      alive.tell(seed)
      steps += play(seed).length
      await turn()
    }
    console.log(`fuzz: ${steps} steps in ${seed - firstSeed} sequences from seed ${firstSeed} on`)
    expect(steps).toBeGreaterThan(0)
  },
)

/** Runs one seed's sequence. @throws an error that says how to see it again. */
function play(seed: number): Step[] {
  const generator = new Generator(seed)
  const taken: Step[] = []
  try {
    return runSequence(generator.setup, generator.next, taken)
  } catch (error) {
    if (!(error instanceof Violation)) throw new Error(`seed ${seed}`, { cause: error })
    const trace = traceText(generator.setup, minimise(generator.setup, taken, error.rule))
    const file = `${crashers}seed-${seed}.jsonl`
    writeFileSync(file, `# ${error.rule}\n${trace}`)
    throw new Error(
      `seed ${seed}: ${error.message}\n\n${trace}\nKept as ${file}. Once more:\n` +
        `npm run fuzz -- --seed ${seed} --seconds 1`,
      { cause: error },
    )
  }
}
