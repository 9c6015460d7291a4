import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ProgressLine } from '../../src/cli/progress.ts'
import { quote } from '../../src/guest/quote.ts'
import { describeMachine } from '../machine.ts'
import { type BenchGuest, MEMORY_MIB, accelerator, bootGuest } from './guest.ts'
import { memoryOf } from './memory.ts'
import { peers } from './peers.ts'
import { describePortion, tinyPortion } from './portion.ts'
import { type Prerequisites, provideAll } from './prerequisites.ts'
import type { Cell, GuestResults, Memory } from './results.ts'
import { measureRounds } from './rounds.ts'
import { runScript } from './script.ts'
import { fillTree, tiny, whole } from './tree.ts'
import type { Portion, Workload } from './workload.ts'
import { workloads } from './workloads.ts'

/** What the words of {@link benchGuest} may be parts of. */
export const guestWorkloads: readonly string[] = workloads.map(({ name }) => name)

/** How a guest is measured. */
export interface GuestBenchOptions {
  readonly rounds: number
  /** How many virtual processors: a boot for each. */
  readonly cpus: readonly number[]
  /** Whether every round is about all of the tree; else each is about another part of it. */
  readonly whole: boolean
  /** Leaves out those that one round would do for. */
  readonly quick: boolean
  /** Only workloads that have one of them in their name; all, without one. */
  readonly words: readonly string[]
  /** An empty folder that guests see as well, removed by the caller. */
  readonly scratch: string
  /** Whether to say what QEMU and the guest say. */
  readonly verbose: boolean
}

/** The first run of a program in a guest may take this long, in milliseconds. */
const WARM_UP_PATIENCE = 300_000

/**
 * Measures the peers in one guest, on one tree: each workload in turns over the peers, so that a ratio
 * is one of two measurements that were made one right after the other.
 */
export async function benchGuest(options: GuestBenchOptions): Promise<GuestResults> {
  const { words, scratch, verbose, quick } = options
  const wanted = workloads.filter(
    ({ name }) => words.length === 0 || words.some((word) => name.includes(word)),
  )
  const measured = peers.filter(({ oneRound }) => !quick || oneRound !== true)
  const progress = new ProgressLine()
  const log = (line: string): void => progress.say(line)
  const prerequisites = await provideAll(log)
  const { fio, programs } = prerequisites
  using tree = new MemoryFolder()
  const small = join(scratch, 'tiny')
  mkdirSync(small)
  progress.step('making the files')
  await fillTree(tree.path, whole)
  await fillTree(small, tiny)

  const cells: Cell[] = []
  const memory: Memory[] = []
  for (const cpus of options.cpus) {
    progress.step('starting servers and a guest')
    await using guest = await bootGuest({
      ...prerequisites,
      tree: tree.path,
      folder: scratch,
      cpus,
      peers: measured,
      log: verbose ? log : () => {},
    })
    progress.step('running everything once')
    await warmUp(guest, small, wanted, tinyPortion(fio))
    const setting = { guest, cpus, tree: tree.path, fio, progress }
    const { rounds: count, whole: isWhole } = options
    cells.push(...(await measureRounds({ ...setting, count, whole: isWhole, workloads: wanted })))
    memory.push(...memoryOf(guest, cpus))
  }
  progress.clear()
  const described = measured.map((peer) => ({ name: peer.name, what: peer.describe(programs) }))
  return { notes: notes(options, prerequisites), peers: described, cells, memory }
}

/** Programs come from the guest's root, and are in its memory before they count. */
async function warmUp(
  guest: BenchGuest,
  small: string,
  wanted: readonly Workload[],
  portion: Portion,
): Promise<void> {
  for (const workload of wanted) {
    const script = `cd ${quote(small)}\n${runScript(workload, portion, 1)}`
    await guest.run(script, WARM_UP_PATIENCE)
  }
}

function notes({ rounds, whole: isWhole }: GuestBenchOptions, found: Prerequisites): string[] {
  const { qemu, kernel } = found.parts
  return [
    describeMachine(),
    `QEMU ${qemu.version.text} with ${accelerator().toUpperCase()}, ${MEMORY_MIB} MiB, ` +
      `Linux ${kernel.release} in the guest, fio ${found.fio.version}`,
    describePortion(isWhole),
    `medians of ${rounds} rounds; every run on a file system that was just mounted`,
  ]
}

/** A folder in memory, so that no disk is measured; removed also when the process exits. */
class MemoryFolder implements Disposable {
  readonly path = mkdtempSync('/dev/shm/lowerdir-bench-')
  readonly #remove = (): void => rmSync(this.path, { recursive: true, force: true, maxRetries: 5 })

  constructor() {
    process.once('exit', this.#remove)
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#remove)
    this.#remove()
  }
}
