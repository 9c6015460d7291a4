import { mkdirSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { join } from 'node:path'
import type { MessageName, T } from '../../src/9p/wire/messages.ts'
import { HostTree } from '../../src/tree/host/host-tree.ts'
import { requestFrame } from '../../test/support/frames.ts'
import { linux } from '../../test/support/vhost-user/layouts.ts'
import { QueueProbe } from '../../test/support/vhost-user/queue-probe.ts'

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
const OURS = /\/src\/(transport|server|9p|tree|sys)\//

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
  const lines = [
    '',
    'requests over a virtqueue: bytes of heap that each allocates, and the functions that do',
  ]
  for (const { name, bytes, sites } of await measureAllocations(folder)) {
    lines.push(`${name.padEnd(33)}${bytes.toFixed(0).padStart(15)}`)
    for (const site of sites.slice(0, SITES)) {
      lines.push(`  ${site.name.padEnd(60)}${site.bytes.toFixed(0).padStart(6)}`)
    }
  }
  return lines
}

async function measureAllocations(folder: string): Promise<Allocation[]> {
  const tree = new HostTree(folder, { readOnly: false, owner: 'host', atime: 'preserve' })
  using probe = new QueueProbe(tree)
  probe.attach().open(1, 'file')
  const found = [
    await measure(probe, 'getattr', ['getattr', { fid: 1, mask: 0x7ff }]),
    await measure(probe, '4 KiB read', ['read', { fid: 1, offset: 0, count: 4096 }]),
    await measure(probe, '64 KiB read', ['read', { fid: 1, offset: 0, count: 65_000 }]),
    await measure(
      probe,
      'walk + clunk, each',
      ['walk', { fid: 0, newfid: 2, names: ['file'] }],
      ['clunk', { fid: 2 }],
    ),
  ]
  tree.close()
  return found
}

type Request = { [M in MessageName]: readonly [M, T<M>] }[MessageName]

async function measure(
  probe: QueueProbe,
  name: string,
  ...requests: readonly Request[]
): Promise<Allocation> {
  const { driver, queue, ram, heap } = probe
  const chains = requests.map(([message, fields], tag) => {
    const room = message === 'read' ? 65_536 : ROOM
    const chain = linux(ram, heap, requestFrame(tag, message, fields), room)
    if (chain === undefined) throw new Error('the guest has no memory left')
    return chain
  })
  const ask = (times: number): void => {
    for (let i = 0; i < times; i++) {
      for (const { parts } of chains) driver.add(parts)
      queue.poll()
      for (const _ of chains) {
        if (driver.take() === undefined) throw new Error(`${name}: a request was not answered`)
      }
    }
  }
  ask(WARM_UP)
  const session = new Session()
  session.connect()
  await session.post('HeapProfiler.startSampling', {
    samplingInterval: INTERVAL,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  } as never)
  ask(REQUESTS / chains.length)
  const { profile } = await session.post('HeapProfiler.stopSampling')
  session.disconnect()
  for (const chain of chains) chain.free()

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
    bytes: sorted.reduce((sum, [, bytes]) => sum + bytes, 0) / REQUESTS,
    sites: sorted.map(([site, bytes]) => ({ name: site, bytes: bytes / REQUESTS })),
  }
}
