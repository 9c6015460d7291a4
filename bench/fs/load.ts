import { cpuTime } from '../cpu-time.ts'
import type { FsDriver } from './driver.ts'
import { type FsLoad, measure } from './measure.ts'
import { type MountedFolder, mountFolder } from './mounted-folder.ts'
import { VhostUserDriver } from './vhost-user-driver.ts'
import { workloads } from './workloads.ts'

/** A measurement to make, one at a time. */
export interface FsLoadRequest {
  readonly socket: string
  /** The pid of the server. */
  readonly pid: number
  /** The name of a row of the table of workloads. */
  readonly workload: string
  readonly depth: number
  readonly milliseconds: number
}

/** The answer to a {@link FsLoadRequest}: the result, or why there is none. */
export type FsLoadAnswer = FsLoad | { readonly failure: string }

/** The mounted file systems by their sockets. They stay mounted: virtiofsd ends with its first connection. */
const mounts = new Map<string, { readonly driver: FsDriver; readonly folder: MountedFolder }>()

function answer({ socket, pid, workload: name, depth, milliseconds }: FsLoadRequest): FsLoad {
  let mount = mounts.get(socket)
  if (mount === undefined) {
    const driver = new VhostUserDriver(socket)
    mount = { driver, folder: mountFolder(driver) }
    mounts.set(socket, mount)
  }
  const { driver, folder } = mount
  const jobs = workloads.find((row) => row.name === name)!.prepare(driver, folder)
  const load = measure(driver, jobs, depth, milliseconds, () => cpuTime(pid))
  driver.clear()
  return load
}

// A process of its own, because it blocks all the time.
process.on('message', (request: FsLoadRequest) => {
  let said: FsLoadAnswer
  try {
    said = answer(request)
  } catch (error) {
    said = { failure: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
  process.send!(said)
})
