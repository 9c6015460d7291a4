import type { ProgressLine } from '../../src/cli/progress.ts'
import { messageOf } from '../../src/util/error.ts'
import type { Program } from '../programs.ts'
import { guestName, requestsOf } from './figures.ts'
import type { BenchGuest } from './guest.ts'
import { countGuest, measureGuest, measureHost } from './measure.ts'
import type { CacheMode } from './peer.ts'
import { portionOf } from './portion.ts'
import type { Counts } from './requests.ts'
import type { Cell, Condition, GuestKind, Sample } from './results.ts'
import type { Workload, WorkloadGroup } from './workload.ts'

/** What to measure with one guest. */
export interface Rounds {
  readonly guest: BenchGuest
  readonly kind: GuestKind
  readonly caches: readonly CacheMode[]
  readonly count: number
  /**
   * When the last round has to end, as a time of performance.now(): a round that would end later is not begun. The first
   * round always is.
   */
  readonly deadline: number
  /** Whether each round measures the whole tree. */
  readonly whole: boolean
  readonly workloads: readonly Workload[]
  /** The tree that all peers serve. */
  readonly tree: string
  readonly fio: Program
  readonly progress: ProgressLine
}

/** A cell to which each round adds. */
interface OpenCell extends Cell {
  readonly host: number[]
  readonly samples: Record<string, (Sample | undefined)[]>
  readonly requests: Record<string, Counts>
  readonly failures: Record<string, string>
}

/** A workload and a cache mode, and the cells of its runs in a row. */
interface Row {
  readonly workload: Workload
  readonly cache: CacheMode
  readonly cells: readonly OpenCell[]
}

/** The conditions under which a mount is measured, one after the other. */
const conditions: Readonly<Record<CacheMode, readonly Condition[]>> = {
  none: ['none'],
  loose: ['loose', 'cached'],
  lower: ['lower', 'lower again'],
}

/** The workloads that a lower layer is measured with: it cannot be changed, and is read more than it is searched. */
const lowerGroups: ReadonlySet<WorkloadGroup> = new Set(['metadata', 'read'])

/** Measures every workload in every round, in turns over the peers. */
export async function measureRounds(rounds: Rounds): Promise<Cell[]> {
  const { guest, kind, caches, count, deadline, workloads, progress } = rounds
  const rows = workloads.flatMap((workload) =>
    caches
      .filter((cache) => cache !== 'lower' || lowerGroups.has(workload.group))
      .map((cache): Row => ({
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
    if (round > 0 && start + longest > deadline) break
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
 * Runs every workload on every peer once, which is not measured: meanwhile V8 compiles the server, and QEMU translates
 * the guest's kernel. In these runs the guest counts the requests, once for each protocol. They use other files than the
 * first rounds, and as many.
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
      // A lower layer's requests are others than those of a share with cache=loose.
      if (isCounted && cache === 'loose') continue
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
      } catch (error) {
        // A workload that cannot run fails again when it is measured, and is reported then.
        progress.say(`${peer.name}, ${workload.name}: not warmed up: ${messageOf(error)}`)
      }
    }
  }
}

/** Measures one workload on all peers, one right after the other. */
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
  for (const { peer, started } of inTurn(guest.peers, round)) {
    const hasFailed = cells.some(({ failures }) => peer.name in failures)
    let samples: readonly Sample[] = []
    if (!hasFailed && (round === 0 || peer.oneRound !== true)) {
      try {
        samples = await measureGuest(guest, started, cache, workload, portion, cells.length)
      } catch (error) {
        const message = messageOf(error)
        for (const cell of cells) cell.failures[peer.name] = message
        progress.say(`${peer.name}, ${workload.name}, cache=${cache}: ${message}`)
      }
    }
    for (const [i, cell] of cells.entries()) (cell.samples[peer.name] ??= []).push(samples[i])
  }
}

/** All of them, each round with another one first. */
function inTurn<T>(all: readonly T[], round: number): T[] {
  const first = all.length === 0 ? 0 : round % all.length
  return [...all.slice(first), ...all.slice(0, first)]
}

/** The guest's clock and the host's, in seconds. */
async function clocks(guest: BenchGuest): Promise<{ guest: number; host: number }> {
  const text = await guest.run('echo $EPOCHREALTIME', 60_000)
  return { guest: Number(text), host: performance.now() / 1000 }
}

/** By which share a guest's clock may differ, in addition to a second for the commands that read it. */
const TOLERANCE = 0.01

/** Checks that the guest's clock, which takes the times, has the rate of the host's, even if the guest is emulated. */
function checkClock(
  before: Awaited<ReturnType<typeof clocks>>,
  after: Awaited<ReturnType<typeof clocks>>,
): void {
  const host = after.host - before.host
  const guest = after.guest - before.guest
  if (Math.abs(guest - host) <= 1 + TOLERANCE * host) return
  const [ours, theirs] = [host, guest].map((seconds) => seconds.toFixed(1))
  throw new Error(
    `The guest's clock advanced by ${theirs} s while the host's advanced by ${ours} s, so its times are wrong. Run the bench again.`,
  )
}
