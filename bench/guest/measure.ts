import { execFileSync } from 'node:child_process'
import { cpuTime, qemuTime } from '../cpu-time.ts'
import type { BenchGuest } from './guest.ts'
import type { CacheMode, Peer, StartedPeer } from './peer.ts'
import { type Counts, countingScript, countsOf } from './requests.ts'
import type { Sample } from './results.ts'
import { type Duration, durationsOf, mountedScript, progress, runScript } from './script.ts'
import type { Portion, Workload } from './workload.ts'

/** A limit that no measurement reaches unless it hangs, in milliseconds. */
const TIMEOUT = 600_000

/** Mounts a peer in a guest and measures a workload on it, `runs` times in a row. */
export async function measureGuest(
  guest: BenchGuest,
  peer: StartedPeer,
  cache: CacheMode,
  workload: Workload,
  portion: Portion,
  runs: number,
): Promise<Sample[]> {
  const pid = peer.pid(cache)
  const clocks = (): Omit<Sample, keyof Duration> => {
    const { guest: guestCpu, rest: qemuCpu } = qemuTime(guest.pid)
    return { guestCpu, serverCpu: pid === undefined ? undefined : cpuTime(pid), qemuCpu }
  }
  const starts: Omit<Sample, keyof Duration>[] = []
  const ends: Omit<Sample, keyof Duration>[] = []
  const script = mountedScript(peer.mount(cache), runScript(workload, portion, runs))
  const output = await guest.run(script, TIMEOUT, (line) => {
    const where = progress(line)
    if (where === 'start') starts.push(clocks())
    if (where === 'end') ends.push(clocks())
  })
  return durationsOf(workload, output, runs).map(({ seconds, elapsed }, i) => ({
    seconds,
    elapsed,
    guestCpu: difference(ends[i]?.guestCpu, starts[i]?.guestCpu) ?? Number.NaN,
    serverCpu: difference(ends[i]?.serverCpu, starts[i]?.serverCpu),
    qemuCpu: difference(ends[i]?.qemuCpu, starts[i]?.qemuCpu) ?? Number.NaN,
  }))
}

/** Counts the requests of each run of a workload in a guest; none where its kernel cannot count them. */
export async function countGuest(
  guest: BenchGuest,
  { protocol }: Peer,
  started: StartedPeer,
  cache: CacheMode,
  workload: Workload,
  portion: Portion,
  runs: number,
): Promise<Counts[]> {
  const script = countingScript(protocol, started.mount(cache), workload, portion, runs)
  return countsOf(protocol, await guest.run(script, TIMEOUT))
}

/** How long a workload takes on the host, without a guest and a server, in seconds. */
export function measureHost(tree: string, workload: Workload, portion: Portion): number {
  const output = execFileSync('bash', ['-c', runScript(workload, portion, 1)], {
    cwd: tree,
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
    timeout: TIMEOUT,
    maxBuffer: Number.POSITIVE_INFINITY,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return durationsOf(workload, output, 1)[0]!.seconds
}

function difference(end: number | undefined, start: number | undefined): number | undefined {
  return end === undefined || start === undefined ? undefined : end - start
}
