import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { setImmediate as turn } from 'node:timers/promises'
import { minimise } from './minimise.ts'
import { Violation } from './promises.ts'
import { type Protocol, runSteps } from './run.ts'
import { type WorldSetup, type WorldStep, traceText } from './trace.ts'
import { watchdog } from './watchdog.ts'

/** How many sequences are played where no time is given: a few seconds are enough for them. */
const SEQUENCES = 300

const crashers = fileURLToPath(new URL('crashers/', import.meta.url))

/**
 * Plays sequences of a protocol from the seed `first` on.
 *
 * @param seconds how long to go on; 0 for a number of sequences.
 * @returns how many steps there were. @throws an error that says how to see it again.
 */
export async function play<Setup extends WorldSetup, Step extends object, Model>(
  protocol: Protocol<Setup, Step, Model>,
  first: number,
  seconds: number,
): Promise<number> {
  using alive = await watchdog()
  const end = performance.now() + seconds * 1000
  let steps = 0
  let seed = first
  const goesOn = (): boolean => (seconds > 0 ? performance.now() < end : seed < first + SEQUENCES)
  for (; goesOn(); seed++) {
    alive.tell(seed)
    steps += playOne(protocol, seed)
    await turn()
  }
  console.log(
    `fuzz: ${steps} steps of ${protocol.name} in ${seed - first} sequences from seed ${first} on`,
  )
  return steps
}

function playOne<Setup extends WorldSetup, Step extends object, Model>(
  protocol: Protocol<Setup, Step, Model>,
  seed: number,
): number {
  const { setup, next } = protocol.generator(seed)
  const taken: (Step | WorldStep)[] = []
  try {
    return runSteps(protocol, setup, next, taken).length
  } catch (error) {
    if (!(error instanceof Violation)) {
      throw new Error(`${protocol.name}, seed ${seed}`, { cause: error })
    }
    const trace = traceText(setup, minimise(protocol, setup, taken, error.rule))
    const file = `${crashers}${protocol.name}/seed-${seed}.jsonl`
    writeFileSync(file, `# ${error.rule}\n${trace}`)
    throw new Error(
      `seed ${seed}: ${error.message}\n\n${trace}\nKept as ${file}. Once more:\n` +
        `npm run fuzz -- --seed ${seed} --seconds 1`,
      { cause: error },
    )
  }
}
