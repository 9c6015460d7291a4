import { mkdirSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { ProgressLine } from '../../src/cli/progress.ts'
import { quote } from '../../src/util/shell.ts'
import { OptionError } from '../../src/machine/failure.ts'
import { chooseTransport } from '../../src/machine/transport.ts'
import type { FoundKernel } from '../../src/provision/kernel.ts'
import type { Qemu } from '../../src/provision/qemu.ts'
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
import { type Peer, cacheModes } from './peer.ts'
import { peers } from './peers.ts'
import { describePortion, tinyPortion } from './portion.ts'
import {
  type Prerequisites,
  type QemuAndKernel,
  type kernelSuites,
  provideAll,
} from './prerequisites.ts'
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
  /** The QEMUs and kernels of the guests; all but the first are measured only with one CPU. */
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
    { qemu, kernel }: QemuAndKernel,
    cpus: number,
    own: Partial<BenchGuestOptions>,
  ): Promise<BenchGuest> =>
    bootGuest({
      parts: { qemu, kernel, busybox: prerequisites.busybox },
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
  for (const [i, { pair, cpus }] of guests.entries()) {
    const now = performance.now()
    const deadline = now + (end - now) / (guests.length - i)
    progress.step('starting servers and a guest')
    const possible = await peersFor(pair, i === 0 ? measured : fast)
    await using guest = await boot(pair, cpus, { peers: possible })
    progress.step('running everything once')
    await warmUp(guest, small, wanted, tinyPortion(fio))
    const kind = { ...shortVersions(pair), cpus }
    const setting = { guest, kind, caches: cacheModes, deadline, tree: tree.path, fio, progress }
    const { rounds: count, whole: isWhole } = options
    cells.push(...(await measureRounds({ ...setting, count, whole: isWhole, workloads: wanted })))
    memory.push(...memoryOf(guest, kind))
  }
  progress.step('profiling our server')
  const profile = await profileFind(scratch, fio, (own) => boot(guests[0]!.pair, 1, own))
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

/** A guest to measure. */
interface GuestPlan {
  readonly pair: QemuAndKernel
  readonly cpus: number
}

/** The first pair with each number of CPUs, the others with one. */
function guestsOf({ cpus }: GuestBenchOptions, { pairs }: Prerequisites): GuestPlan[] {
  const [main, ...others] = pairs
  if (main === undefined) return []
  return [
    ...cpus.map((each) => ({ pair: main, cpus: each })),
    ...others.map((pair) => ({ pair, cpus: 1 })),
  ]
}

/** The peers that a QEMU and a kernel can have. */
async function peersFor({ qemu, kernel }: QemuAndKernel, wanted: readonly Peer[]): Promise<Peer[]> {
  const possible: Peer[] = []
  for (const peer of wanted) {
    if (peer.transport === undefined || (await has(peer.transport, qemu, kernel))) {
      possible.push(peer)
    }
  }
  return possible
}

async function has(
  transport: NonNullable<Peer['transport']>,
  qemu: Qemu,
  kernel: FoundKernel,
): Promise<boolean> {
  try {
    await chooseTransport(transport, qemu, kernel)
    return true
  } catch (error) {
    if (error instanceof OptionError) return false
    throw error
  }
}

/** "11.1" of "11.1.3 (Debian ...)", "7.2" of "7.2.13+deb14-amd64". */
function shortVersions({ qemu, kernel }: QemuAndKernel): { qemu: string; kernel: string } {
  const short = (text: string): string => /^\d+\.\d+/.exec(text)?.[0] ?? text
  return { qemu: short(qemu.version.text), kernel: short(kernel.release) }
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
  { pairs, fio }: Prerequisites,
  cells: readonly Cell[],
): string[] {
  const used = pairs
    .map(({ qemu, kernel }) => `QEMU ${qemu.version.text} with Linux ${kernel.release}`)
    .join(', ')
  const rounds = new Set(cells.map(({ host }) => host.length))
  const [least, most] = [Math.min(...rounds), Math.max(...rounds)]
  return [
    describeMachine(),
    `${used}; ${accelerator().toUpperCase()}, ${MEMORY_MIB} MiB, fio ${fio.version}`,
    describePortion(isWhole),
    `load average of the machine at the end: ${loadavg()
      .map((load) => load.toFixed(1))
      .join(', ')}`,
    `medians of ${least === most ? most : `${least} to ${most}`} rounds (one round of the slow peers); ` +
      'every run on a file system that has just been mounted',
  ]
}
