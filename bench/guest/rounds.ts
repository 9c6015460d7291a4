import type { ProgressLine } from '../../src/cli/progress.ts'
import type { Program } from '../programs.ts'
import { guestName, requestsOf } from './figures.ts'
import type { BenchGuest } from './guest.ts'
import { countGuest, measureGuest, measureHost } from './measure.ts'
import type { CacheMode } from './peer.ts'
import { portionOf } from './portion.ts'
import type { Counts } from './requests.ts'
import type { Cell, Condition, GuestKind, Sample } from './results.ts'
import type { Workload } from './workload.ts'

/** What is measured with one guest. */
export interface Rounds {
  readonly guest: BenchGuest
  readonly kind: GuestKind
  readonly caches: readonly CacheMode[]
  readonly count: number
  /** When the last round has to be over, on the clock of performance.now(): none begins that would end later. */
  readonly deadline: number
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
  readonly requests: Record<string, Counts>
  readonly failures: Record<string, string>
}

/** A workload and a cache mode, and the cells that they are measured for, one after the other. */
interface Row {
  readonly workload: Workload
  readonly cache: CacheMode
  readonly cells: readonly OpenCell[]
}

/** The conditions under which a mount is measured, one after the other. */
const conditions: Readonly<Record<CacheMode, readonly Condition[]>> = {
  none: ['none'],
  loose: ['loose', 'cached'],
}

/** Measures every workload in every round, in turns over the peers. */
export async function measureRounds(rounds: Rounds): Promise<Cell[]> {
  const { guest, kind, caches, count, deadline, workloads, progress } = rounds
  const rows = workloads.flatMap((workload) =>
    caches.map((cache): Row => ({
      workload,
      cache,
      cells: conditions[cache].map((condition): OpenCell => {
        const { name, group } = workload
        return {
          workload: name,
          group,
          condition,
          guest: kind,
          host: [],
          samples: {},
          requests: {},
          failures: {},
        }
      }),
    })),
  )
  await warmUp(rounds, rows)
  const before = await clocks(guest)
  for (let round = 0, longest = 0; round < count; round++) {
    const start = performance.now()
    if (start + longest > deadline) break
    for (const { workload, cache, cells } of rows) {
      const where = `${guestName(kind)}, round ${round + 1} of ${count}`
      progress.step(`${where}: ${workload.name}, cache=${cache}`)
      await measureRow(rounds, round, workload, cache, cells)
    }
    longest = Math.max(longest, performance.now() - start)
  }
  checkClock(before, await clocks(guest))
  return rows.flatMap(({ cells }) => cells)
}

/**
 * Every workload on every peer once, which does not count: what is compiled while it runs, ours and QEMU's
 * translation of the guest's kernel, is compiled then. Meanwhile the guest counts the requests, once for each
 * protocol. It is about other files than the first rounds, and as many.
 */
async function warmUp(
  { guest, kind, whole, fio, progress }: Rounds,
  rows: readonly Row[],
): Promise<void> {
  const portion = portionOf(-1, whole, fio)
  const all = guest.peers.map(({ peer }) => peer)
  for (const { peer, started } of guest.peers.filter(({ peer: each }) => each.oneRound !== true)) {
    progress.step(`${guestName(kind)}: running everything once on ${peer.name}`)
    const isCounted = rows.some(({ cells }) =>
      cells.some((cell) => requestsOf(cell, peer, all) !== undefined),
    )
    for (const { workload, cache, cells } of rows) {
      if (isCounted && cache !== 'none') continue
      try {
        const counts = await countGuest(
          guest,
          peer,
          started,
          cache,
          workload,
          portion,
          cells.length,
        )
        for (const [i, each] of counts.entries()) {
          const cell = cells[i]
          if (cell !== undefined) cell.requests[peer.name] = each
        }
      } catch {
        // It will fail again, and be heard then.
      }
    }
  }
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
