import type { ProgressLine } from '../../src/cli/progress.ts'
import type { Program } from '../programs.ts'
import type { BenchGuest } from './guest.ts'
import { measureGuest, measureHost } from './measure.ts'
import { type CacheMode, cacheModes } from './peer.ts'
import { portionOf } from './portion.ts'
import type { Cell, Condition, Sample } from './results.ts'
import type { Workload } from './workload.ts'

/** What is measured with one guest. */
export interface Rounds {
  readonly guest: BenchGuest
  readonly cpus: number
  readonly count: number
  /** Whether each of them is about all of the tree. */
  readonly whole: boolean
  readonly workloads: readonly Workload[]
  /** The tree that every peer serves. */
  readonly tree: string
  readonly fio: Program
  readonly progress: ProgressLine
}

/** A cell that grows from round to round. */
interface OpenCell extends Cell {
  readonly host: number[]
  readonly samples: Record<string, (Sample | undefined)[]>
  readonly failures: Record<string, string>
}

/** The conditions under which a mount is measured, one after the other. */
const conditions: Readonly<Record<CacheMode, readonly Condition[]>> = {
  none: ['none'],
  loose: ['loose', 'cached'],
}

/** Measures every workload in every round, in turns over the peers. */
export async function measureRounds(rounds: Rounds): Promise<Cell[]> {
  const { guest, cpus, count, workloads, progress } = rounds
  const rows = workloads.flatMap((workload) =>
    cacheModes.map((cache) => ({
      workload,
      cache,
      cells: conditions[cache].map((condition): OpenCell => {
        const { name, group } = workload
        return { workload: name, group, condition, cpus, host: [], samples: {}, failures: {} }
      }),
    })),
  )
  await warmUp(rounds)
  const before = await clocks(guest)
  for (let round = 0; round < count; round++) {
    for (const { workload, cache, cells } of rows) {
      const where = `${counted(cpus)}, round ${round + 1} of ${count}`
      progress.step(`${where}: ${workload.name}, cache=${cache}`)
      await measureRow(rounds, round, workload, cache, cells)
    }
  }
  checkClock(before, await clocks(guest))
  return rows.flatMap(({ cells }) => cells)
}

/**
 * Every workload on every peer once, which does not count: what is compiled while it runs, ours and QEMU's
 * translation of the guest's kernel, is compiled then. It is about other files than the first rounds.
 */
async function warmUp({ guest, cpus, whole, workloads, fio, progress }: Rounds): Promise<void> {
  const portion = portionOf(-1, whole, fio)
  for (const { peer, started } of guest.peers.filter(({ peer: each }) => each.oneRound !== true)) {
    progress.step(`${counted(cpus)}: running everything once on ${peer.name}`)
    for (const workload of workloads) {
      try {
        await measureGuest(guest, started, 'none', workload, portion, 1)
      } catch {
        // It will fail again, and be heard then.
      }
    }
  }
}

function counted(cpus: number): string {
  return `${cpus} virtual CPU${cpus > 1 ? 's' : ''}`
}

/** One workload on every peer, one right after the other. */
async function measureRow(
  { guest, whole, tree, fio, progress }: Rounds,
  round: number,
  workload: Workload,
  cache: CacheMode,
  cells: readonly OpenCell[],
): Promise<void> {
  const portion = portionOf(round, whole, fio)
  const host = measureHost(tree, workload, portion)
  for (const cell of cells) cell.host.push(host)
  for (const { peer, started } of guest.peers) {
    const hasFailed = cells.some(({ failures }) => peer.name in failures)
    let samples: readonly Sample[] = []
    if (!hasFailed && (round === 0 || peer.oneRound !== true)) {
      try {
        samples = await measureGuest(guest, started, cache, workload, portion, cells.length)
      } catch (error) {
        const { message } = error as Error
        for (const cell of cells) cell.failures[peer.name] = message
        progress.say(`${peer.name}, ${workload.name}, cache=${cache}: ${message}`)
      }
    }
    for (const [i, cell] of cells.entries()) (cell.samples[peer.name] ??= []).push(samples[i])
  }
}

/** The guest's clock and ours, in seconds. */
async function clocks(guest: BenchGuest): Promise<{ guest: number; host: number }> {
  const text = await guest.run('echo $EPOCHREALTIME', 60_000)
  return { guest: Number(text), host: performance.now() / 1000 }
}

/** How much a guest's clock may be off, beside a second for the commands that ask it. */
const TOLERANCE = 0.01

/** The guest takes the times, so its clock has to go like ours, also where it is emulated. */
function checkClock(
  before: Awaited<ReturnType<typeof clocks>>,
  after: Awaited<ReturnType<typeof clocks>>,
): void {
  const host = after.host - before.host
  const guest = after.guest - before.guest
  if (Math.abs(guest - host) <= 1 + TOLERANCE * host) return
  const [ours, theirs] = [host, guest].map((seconds) => seconds.toFixed(1))
  throw new Error(
    `The guest's clock went ${theirs} s while ours went ${ours} s: its times are worth nothing.`,
  )
}
