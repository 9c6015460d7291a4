import { mkdirSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { join } from 'node:path'
import type { MessageName, T } from '../../src/9p/wire/messages.ts'
import { defaultLimits } from '../../src/session/session-limits.ts'
import { FsDevice } from '../../src/transport/vhost-user/fs-device.ts'
import { HostTree } from '../../src/tree/host/host-tree.ts'
import { requestFrame } from '../../test/support/frames.ts'
import { linux } from '../../test/support/vhost-user/layouts.ts'
import { QueueProbe } from '../../test/support/vhost-user/queue-probe.ts'
import type { FsDriver } from '../fs/driver.ts'
import { fillFolder } from '../fs/folder.ts'
import { mountFolder } from '../fs/mounted-folder.ts'
import { ThreadDriver } from '../fs/thread-driver.ts'
import { type Job, workloads } from '../fs/workloads.ts'

/** The size of the buffer for a small reply, as Linux allocates it, in bytes. */
const ROOM = 4096
const WARM_UP = 30_000
const REQUESTS = 200_000
const FILE_BYTES = 1 << 17
/** How many functions are listed for each request. */
const SITES = 5
/** The mean distance between two samples of the heap profiler, in bytes. */
const INTERVAL = 256
/** The files whose allocations count: those of the server, not those of the driver that makes the requests. */
const OURS = /\/src\/(transport|server|session|wire|9p|fuse|tree|sys)\//

/** The memory that a kind of request allocates. */
interface Allocation {
  readonly name: string
  /** Bytes of V8's heap for each request. */
  readonly bytes: number
  /** The functions that allocate it, in descending order. */
  readonly sites: readonly { readonly name: string; readonly bytes: number }[]
}

interface ProfileNode {
  readonly callFrame: {
    readonly functionName: string
    readonly url: string
    readonly lineNumber: number
  }
  readonly selfSize: number
  readonly children: readonly ProfileNode[]
}

/** Measures the memory that requests over a virtqueue allocate; as lines of text. @param scratch a folder for files. */
export async function reportAllocations(scratch: string): Promise<string[]> {
  const folder = join(scratch, 'allocations')
  mkdirSync(folder)
  writeFileSync(join(folder, 'file'), Buffer.alloc(FILE_BYTES))
  fillFolder(folder)
  const lines = [
    '',
    'requests over a virtqueue: bytes of heap that each allocates, and the functions that do',
  ]
  const found = [...(await ninepAllocations(folder)), ...(await fuseAllocations(folder))]
  for (const { name, bytes, sites } of found) {
    lines.push(`${name.padEnd(33)}${bytes.toFixed(0).padStart(15)}`)
    for (const site of sites.slice(0, SITES)) {
      lines.push(`  ${site.name.padEnd(60)}${site.bytes.toFixed(0).padStart(6)}`)
    }
  }
  return lines
}

const policy = { readOnly: false, owner: 'host', atime: 'preserve' } as const

async function ninepAllocations(folder: string): Promise<Allocation[]> {
  const tree = new HostTree(folder, policy)
  using probe = new QueueProbe(tree)
  probe.attach().open(1, 'file')
  const found = [
    await ninep(probe, 'getattr', ['getattr', { fid: 1, mask: 0x7ff }]),
    await ninep(probe, '4 KiB read', ['read', { fid: 1, offset: 0, count: 4096 }]),
    await ninep(probe, '64 KiB read', ['read', { fid: 1, offset: 0, count: 65_000 }]),
    await ninep(
      probe,
      'walk + clunk, each',
      ['walk', { fid: 0, newfid: 2, names: ['file'] }],
      ['clunk', { fid: 2 }],
    ),
  ]
  tree.close()
  return found
}

/** What the jobs of the bench of file system devices allocate. */
async function fuseAllocations(folder: string): Promise<Allocation[]> {
  const tree = new HostTree(folder, policy)
  const log = (line: string): never => {
    throw new Error(line)
  }
  const device = new FsDevice({
    exports: tree,
    policy: { caching: 'loose', remoteLocks: false },
    limits: defaultLimits,
    log,
  })
  const found: Allocation[] = []
  {
    using driver = new ThreadDriver(device)
    const mounted = mountFolder(driver)
    for (const workload of workloads) {
      const jobs = workload.prepare(driver, mounted)
      const ask = (times: number): void => {
        for (let i = 0; i < times; i++) doJob(driver, jobs[i % jobs.length]!)
      }
      // Of a job that takes long there are fewer.
      const times = workload.name.startsWith('READ') ? REQUESTS / 10 : REQUESTS
      found.push(await measure(`FUSE, ${workload.name}`, ask, times))
      driver.clear()
    }
  }
  tree.close()
  return found
}

function doJob(driver: FsDriver, job: Job): void {
  const { ring } = driver
  for (const { chain, onReply } of job) {
    ring.offer(chain)
    driver.wait()
    if (ring.take() !== chain) throw new Error('a request was not answered')
    onReply?.()
  }
}

type Request = { [M in MessageName]: readonly [M, T<M>] }[MessageName]

async function ninep(
  { driver, queue, ram, heap }: QueueProbe,
  name: string,
  ...requests: readonly Request[]
): Promise<Allocation> {
  const chains = requests.map(([message, fields], tag) => {
    const room = message === 'read' ? 65_536 : ROOM
    const chain = linux(ram, heap, requestFrame(tag, message, fields), room)
    if (chain === undefined) throw new Error('the guest has no memory left')
    return chain
  })
  const ask = (times: number): void => {
    for (let i = 0; i < times; i += chains.length) {
      for (const { parts } of chains) driver.add(parts)
      queue.poll()
      for (const _ of chains) {
        if (driver.take() === undefined) throw new Error(`${name}: a request was not answered`)
      }
    }
  }
  const found = await measure(name, ask, REQUESTS)
  for (const chain of chains) chain.free()
  return found
}

/** @param ask makes so many requests. */
async function measure(
  name: string,
  ask: (times: number) => void,
  times: number,
): Promise<Allocation> {
  ask(Math.min(WARM_UP, times))
  const session = new Session()
  session.connect()
  await session.post('HeapProfiler.startSampling', {
    samplingInterval: INTERVAL,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  } as never)
  ask(times)
  const { profile } = await session.post('HeapProfiler.stopSampling')
  session.disconnect()

  const sites = new Map<string, number>()
  const visit = ({ callFrame, selfSize, children }: ProfileNode): void => {
    const { functionName, url, lineNumber } = callFrame
    if (selfSize > 0 && OURS.test(url)) {
      const file = url.slice(url.lastIndexOf('/src/') + 5)
      const site = `${functionName || '(anonymous)'} ${file}:${lineNumber + 1}`
      sites.set(site, (sites.get(site) ?? 0) + selfSize)
    }
    children.forEach(visit)
  }
  visit(profile.head)
  const sorted = [...sites].toSorted(([, a], [, b]) => b - a)
  return {
    name,
    bytes: sorted.reduce((sum, [, bytes]) => sum + bytes, 0) / times,
    sites: sorted.map(([site, bytes]) => ({ name: site, bytes: bytes / times })),
  }
}
