import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ProgressLine } from '../../src/cli/progress.ts'
import { quote } from '../../src/util/shell.ts'
import type { FoundKernel } from '../../src/provision/kernel.ts'
import { describeMachine } from '../machine.ts'
import { MemoryFolder } from '../memory-folder.ts'
import {
  type BenchGuest,
  type BenchGuestOptions,
  MEMORY_MIB,
  accelerator,
  bootGuest,
} from './guest.ts'
import { memoryOf } from './server-memory.ts'
import { type CacheMode, cacheModes } from './peer.ts'
import { peers } from './peers.ts'
import { describePortion, tinyPortion } from './portion.ts'
import { type Prerequisites, type kernelSuites, provideAll } from './prerequisites.ts'
import { profileFind } from './profile-find.ts'
import type { Cell, GuestResults, Memory } from './results.ts'
import { measureRounds } from './rounds.ts'
import { runScript } from './script.ts'
import { measureSystemCalls } from './system-calls.ts'
import { fillTree, tiny, whole } from './tree.ts'
import type { Portion, Workload } from './workload.ts'
import { workloads } from './workloads.ts'

/** The names of the workloads, which `words` of {@link benchGuest} select. */
export const guestWorkloads: readonly string[] = workloads.map(({ name }) => name)

/** How to measure guests. */
export interface GuestBenchOptions {
  readonly rounds: number
  /** The numbers of virtual CPUs, with a boot for each. */
  readonly cpus: readonly number[]
  /** The kernels of the guests; all but the first are measured only with cache=none and one CPU. */
  readonly kernels: readonly (keyof typeof kernelSuites)[]
  /** How long the whole bench may take; rounds that would end later are left out, except the first. */
  readonly minutes: number
  /** Whether every round measures the whole tree; else each measures a different part of it. */
  readonly whole: boolean
  /** Leaves out the peers that are measured in one round only. */
  readonly quick: boolean
  /** Only workloads whose name contains one of them; all if there are none. */
  readonly words: readonly string[]
  /** An empty folder that is visible in the guests, removed by the caller. */
  readonly scratch: string
  /** Whether to show what QEMU and the guest print. */
  readonly verbose: boolean
}

/** How long the first run of a program in a guest may take, in milliseconds. */
const WARM_UP_TIMEOUT = 300_000

/**
 * Measures the peers in one guest and on one tree, each workload in turns over the peers, so that a ratio
 * compares two measurements that were made one right after the other.
 */
export async function benchGuest(options: GuestBenchOptions): Promise<GuestResults> {
  const { words, scratch, verbose, quick } = options
  const end = performance.now() + options.minutes * 60_000
  const wanted = workloads.filter(
    ({ name }) => words.length === 0 || words.some((word) => name.includes(word)),
  )
  const measured = peers.filter(({ oneRound }) => !quick || oneRound !== true)
  const fast = measured.filter(({ oneRound }) => oneRound !== true)
  const progress = new ProgressLine()
  const log = (line: string): void => progress.say(line)
  const prerequisites = await provideAll(options.kernels, log)
  const { fio, programs } = prerequisites
  using tree = new MemoryFolder()
  const small = join(scratch, 'tiny')
  mkdirSync(small)
  progress.step('making the files')
  const systemCalls = measureSystemCalls(tree.path, scratch)
  await fillTree(tree.path, whole)
  await fillTree(small, tiny)

  const boot = (
    kernel: FoundKernel,
    cpus: number,
    own: Partial<BenchGuestOptions>,
  ): Promise<BenchGuest> =>
    bootGuest({
      parts: { ...prerequisites, kernel },
      programs,
      tree: tree.path,
      folder: scratch,
      cpus,
      peers: measured,
      log: verbose ? log : () => {},
      ...own,
    })
  const cells: Cell[] = []
  const memory: Memory[] = []
  const guests = guestsOf(options, prerequisites)
  for (const [i, { kernel, cpus, caches }] of guests.entries()) {
    const now = performance.now()
    const deadline = now + (end - now) / (guests.length - i)
    progress.step('starting servers and a guest')
    await using guest = await boot(kernel, cpus, i === 0 ? {} : { peers: fast })
    progress.step('running everything once')
    await warmUp(guest, small, wanted, tinyPortion(fio))
    const kind = { kernel: shortRelease(kernel), cpus }
    const setting = { guest, kind, caches, deadline, tree: tree.path, fio, progress }
    const { rounds: count, whole: isWhole } = options
    cells.push(...(await measureRounds({ ...setting, count, whole: isWhole, workloads: wanted })))
    memory.push(...memoryOf(guest, kind))
  }
  progress.step('profiling our server')
  const profile = await profileFind(scratch, fio, (own) => boot(guests[0]!.kernel, 1, own))
  progress.clear()
  return {
    notes: notes(options, prerequisites, cells),
    peers: measured.map((peer) => {
      const { name, protocol } = peer
      return { name, protocol, what: peer.describe(programs) }
    }),
    cells,
    memory,
    systemCalls,
    profile,
  }
}

/** A guest to measure, and the cache modes to measure it with. */
interface GuestPlan {
  readonly kernel: FoundKernel
  readonly cpus: number
  readonly caches: readonly CacheMode[]
}

/** Everything with the first kernel; with others only what shows how their 9P clients differ. */
function guestsOf({ cpus }: GuestBenchOptions, { kernels }: Prerequisites): GuestPlan[] {
  const [main, ...others] = kernels
  if (main === undefined) return []
  return [
    ...cpus.map((each) => ({ kernel: main, cpus: each, caches: cacheModes })),
    ...others.map((kernel) => ({ kernel, cpus: 1, caches: ['none' as const] })),
  ]
}

/** "7.2" of "7.2.13+deb14-amd64". */
function shortRelease({ release }: FoundKernel): string {
  return /^\d+\.\d+/.exec(release)?.[0] ?? release
}

/** Runs each program once, so that it is in the guest's page cache before it is measured. */
async function warmUp(
  guest: BenchGuest,
  small: string,
  wanted: readonly Workload[],
  portion: Portion,
): Promise<void> {
  for (const workload of wanted) {
    const script = `cd ${quote(small)}\n${runScript(workload, portion, 1)}`
    await guest.run(script, WARM_UP_TIMEOUT)
  }
}

function notes(
  { whole: isWhole }: GuestBenchOptions,
  { qemu, kernels, fio }: Prerequisites,
  cells: readonly Cell[],
): string[] {
  const releases = kernels.map(({ release }) => release).join(' and ')
  const rounds = new Set(cells.map(({ host }) => host.length))
  const [least, most] = [Math.min(...rounds), Math.max(...rounds)]
  return [
    describeMachine(),
    `QEMU ${qemu.version.text} with ${accelerator().toUpperCase()}, ${MEMORY_MIB} MiB, ` +
      `Linux ${releases} in the guest, fio ${fio.version}`,
    describePortion(isWhole),
    `medians of ${least === most ? most : `${least} to ${most}`} rounds (one round of the slow peers); ` +
      'every run on a file system that has just been mounted',
  ]
}
