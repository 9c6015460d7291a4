import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describeMachine, version } from '../machine.ts'
import { LoadProcess } from '../load-process.ts'
import { provideProgram } from '../programs.ts'
import { fillFolder } from './folder.ts'
import type { Load, LoadRequest } from './load.ts'
import { FIDS, addNames, memoryPerFid } from './fid-memory.ts'
import { place } from './placement.ts'
import { heading, line } from './server-report.ts'
import { type Server, startDiod, startLowerdir } from './servers.ts'
import { workloads } from './workloads.ts'

/** The names of the workloads, which `words` of {@link benchServer} select. */
export const serverWorkloads: readonly string[] = [...workloads.map(({ name }) => name), 'memory']

/** How to measure the servers alone. */
export interface ServerBenchOptions {
  readonly quick: boolean
  /** The file for a profile of lowerdir's engine, if one is wanted. */
  readonly profile: string | undefined
  /** Only workloads whose name contains one of them; all if there are none. */
  readonly words: readonly string[]
  /** An empty folder, removed by the caller. */
  readonly scratch: string
  readonly print: (line: string) => void
}

/** Measures lowerdir and diod over a unix socket, on the same folder and in turns. */
export async function benchServer(options: ServerBenchOptions): Promise<void> {
  const { quick, profile, words, scratch, print } = options
  const rounds = quick ? 5 : 15
  const milliseconds = quick ? 150 : 300
  const isWanted = (name: string): boolean =>
    words.length === 0 || words.some((word) => name.includes(word))

  const diod = await provideProgram('diod', print)
  const folder = join(scratch, 'served')
  mkdirSync(folder)
  await fillFolder(folder)
  await using ours = await startLowerdir(folder, join(scratch, 'lowerdir.sock'), profile)
  await using theirs = await startDiod(diod, folder, join(scratch, 'diod.sock'))
  using client = new LoadProcess<LoadRequest, Load>(
    fileURLToPath(new URL('./load.js', import.meta.url)),
  )

  print(`lowerdir ${version('package.json')} and diod ${diod.version}, over a unix socket`)
  print(describeMachine())
  print(`medians of ${rounds} rounds; a row marked "shared" has all processes on one CPU\n`)
  print(heading)
  for (const { name, unit, inFlight } of workloads.filter((row) => isWanted(row.name))) {
    for (const { lanes, isShared } of inFlight.flatMap(placements)) {
      place([client.pid, ours.pid, theirs.pid], isShared)
      const loads = { lowerdir: [] as Load[], diod: [] as Load[] }
      const request = { folder, workload: name, inFlight: lanes, milliseconds }
      for (let round = 0; round <= rounds; round++) {
        const lowerdir = await client.measure({ ...request, ...at(ours) })
        const diods = await client.measure({ ...request, ...at(theirs) })
        // The first round warms up the JIT compiler and the caches.
        if (round === 0) continue
        loads.lowerdir.push(lowerdir)
        loads.diod.push(diods)
      }
      print(line(name, unit, isShared ? `${lanes} shared` : `${lanes}`, loads))
    }
  }
  if (isWanted('memory')) {
    addNames(folder)
    print(`\n${FIDS} fids of as many files, bytes of memory for each`)
    for (const server of [ours, theirs]) {
      const bytes = memoryPerFid(server, folder).toFixed(0)
      print(`${server.name.padEnd(33)}${bytes.padStart(15)}`)
    }
  }
}

/** The number of requests in flight, and whether all processes share one CPU. */
interface Placement {
  readonly lanes: number
  readonly isShared: boolean
}

/**
 * Lets the kernel place the processes; with one request in flight, measures also with all of them on one CPU, where no
 * other CPU has to be woken. The first shows the latency of a reply, the second its CPU time.
 */
function placements(lanes: number): Placement[] {
  const free = { lanes, isShared: false }
  return lanes === 1 ? [free, { lanes, isShared: true }] : [free]
}

function at({ socket, pid }: Server): Pick<Server, 'socket' | 'pid'> {
  return { socket, pid }
}
