import { loadavg } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startLowerdir } from '../lowerdir.ts'
import { LoadProcess } from '../load-process.ts'
import { describeMachine, version } from '../machine.ts'
import { MemoryFolder } from '../memory-folder.ts'
import { provideProgram } from '../programs.ts'
import { startVirtiofsd } from '../virtiofsd.ts'
import { fillFolder } from './folder.ts'
import { heading, line } from './fs-report.ts'
import type { FsLoadRequest } from './load.ts'
import type { FsLoad } from './measure.ts'
import { DEPTH_MAX } from './mounted-folder.ts'
import { workloads } from './workloads.ts'

/** The names of the workloads, which `words` of {@link benchFs} select. */
export const fsWorkloads: readonly string[] = workloads.map(({ name }) => name)

/** How many jobs are under way at once. */
const DEPTHS = [1, 16, DEPTH_MAX]

/** How to measure file system devices. */
export interface FsBenchOptions {
  readonly quick: boolean
  readonly rounds: number
  /** The file for a profile of lowerdir's engine, if one is wanted. */
  readonly profile: string | undefined
  /** Only workloads whose name contains one of them; all if there are none. */
  readonly words: readonly string[]
  /** An empty folder for sockets, removed by the caller. */
  readonly scratch: string
  readonly print: (line: string) => void
}

/**
 * Measures lowerdir and virtiofsd as file system devices, with a driver in a process and not in a guest, so that nothing is
 * emulated: on the same folder, with the same chains of descriptors, in turns.
 */
export async function benchFs(options: FsBenchOptions): Promise<void> {
  const { quick, rounds, profile, words, scratch, print } = options
  const milliseconds = quick ? 100 : 250
  const wanted = workloads.filter(
    ({ name }) => words.length === 0 || words.some((word) => name.includes(word)),
  )
  const program = await provideProgram('virtiofsd', print)
  using folder = new MemoryFolder()
  fillFolder(folder.path)
  const sockets = { lowerdir: join(scratch, 'fs.sock'), virtiofsd: join(scratch, 'virtiofsd.sock') }
  const listen = {
    kind: 'virtiofs',
    path: sockets.lowerdir,
    caching: 'loose',
    remoteLocks: false,
  } as const
  await using ours = await startLowerdir(folder.path, listen, 'rw', profile)
  await using theirs = await startVirtiofsd(program, folder.path, sockets.virtiofsd, 'always')
  using client = new LoadProcess<FsLoadRequest, FsLoad>(
    fileURLToPath(new URL('./load.js', import.meta.url)),
  )
  const servers = [
    { name: 'lowerdir', socket: sockets.lowerdir, pid: ours.pid },
    { name: 'virtiofsd', socket: sockets.virtiofsd, pid: theirs.pid },
  ] as const

  print(`lowerdir ${version('package.json')} and virtiofsd ${program.version} (--cache always)`)
  print(describeMachine())
  const busy = loadavg().map((each) => each.toFixed(1))
  print(
    `medians of ${rounds} rounds of ${milliseconds} ms; files in memory; load average ${busy.join(', ')}\n`,
  )
  print(heading)
  for (const { name, goal } of wanted) {
    const measure = (server: (typeof servers)[number], depth: number): Promise<FsLoad> => {
      const { socket, pid } = server
      return client.measure({ socket, pid, workload: name, depth, milliseconds })
    }
    // V8 compiles what has run some thousand times, which takes too long with one request at a time.
    for (const server of servers) await measure(server, DEPTH_MAX)
    for (const depth of DEPTHS) {
      const loads = { lowerdir: [] as FsLoad[], virtiofsd: [] as FsLoad[] }
      for (let round = 0; round <= rounds; round++) {
        // Each goes first in every other round. The first round warms up the caches.
        for (const server of round % 2 === 0 ? servers : servers.toReversed()) {
          const load = await measure(server, depth)
          if (round > 0) loads[server.name].push(load)
        }
      }
      print(line(name, depth, goal, loads))
    }
  }
}
