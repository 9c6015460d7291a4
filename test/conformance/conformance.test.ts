import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client } from '../../src/9p/client.ts'
import type { FusePolicy } from '../../src/fuse/caching.ts'
import { conformanceLines, conformanceScript } from '../support/conformance-script.ts'
import { type DirectoryServer, serveDirectory } from '../support/directory-server.ts'
import { FuseClient } from '../support/fuse/client.ts'
import { DeviceChannel } from '../support/fuse/device-channel.ts'
import { type FuseServer, serveFuse } from '../support/fuse/fuse-server.ts'
import { linuxFuse } from '../support/fuse/layouts.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { type DeviceServer, serveDevices } from '../support/vhost-user/device-server.ts'
import type { QueueOptions } from '../support/vhost-user/driver-queue.ts'
import { byteByByte, type Layout, linux, scattered } from '../support/vhost-user/layouts.ts'
import {
  type DeviceOptions,
  usualQueue,
  type VirtualDevice,
} from '../support/vhost-user/virtual-device.ts'
import { clientOn } from '../support/vhost-user/virtqueue-stream.ts'
import {
  behaviours,
  largeBehaviours,
  kernelBehaviours,
  usersBehaviours,
} from './behaviours/index.ts'
import type { Fs } from './fs.ts'
import { FuseFs } from './fuse-fs.ts'
import { NineFs } from './nine-fs.ts'
import { PlainFs } from './plain-fs.ts'

let umask: number
let directory: string
let number = 0

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'lowerdir-test-'))
  // Other users act in it, too.
  chmodSync(directory, 0o755)
  umask = process.umask(0)
})

afterAll(() => {
  process.umask(umask)
  rmSync(directory, { recursive: true, force: true })
})

/** An empty directory of the behaviour's own. */
async function own<F extends Fs>(root: F): Promise<ReturnType<F['in']>> {
  const name = `behaviour-${++number}`
  await root.mkdir(name)
  return root.in(name) as ReturnType<F['in']>
}

/** Only root can let others act. */
const kernelOnly = {
  ...kernelBehaviours,
  ...(process.geteuid!() === 0 ? usersBehaviours : {}),
}

describe('a plain directory', () => {
  it.each(Object.entries({ ...behaviours, ...largeBehaviours, ...kernelOnly }))(
    '%s',
    async (_name, behaviour) => {
      await behaviour(await own(new PlainFs(directory)))
    },
    60_000,
  )
})

// The second has messages of a page, and so many more of them.
describe.each([131_072, 4096])('a directory through client and server, msize %i', (msize) => {
  let server: DirectoryServer
  let client: Client

  beforeAll(async () => {
    server = await serveDirectory(directory, {}, mkdtempSync(join(tmpdir(), 'lowerdir-test-')))
    client = await server.client(msize)
  })

  afterAll(async () => {
    client.close()
    await server.engine.close()
    rmSync(join(server.socketPath, '..'), { recursive: true })
  })

  finds(() => client)
})

/** A test for each behaviour, through a client that is there once the tests run. */
function finds(client: () => Client): void {
  it.each(Object.entries(behaviours))(
    '%s',
    async (_name, behaviour) => {
      const isRoot = process.geteuid!() === 0
      await behaviour(await own(NineFs.over(client(), isRoot)))
    },
    60_000,
  )
}

/** Drivers that differ in all that a driver may choose. */
const drivers: Record<string, [Layout, number, Partial<QueueOptions>]> = {
  'as Linux lays them out': [linux, 32_768, {}],
  'cut anywhere, in a ring about to begin anew': [scattered, 16_384, { start: 0xffff }],
  'of single bytes, without indirect tables or event indices': [
    byteByByte,
    4096,
    { size: 1024, eventIndex: false, indirect: false },
  ],
}

describe.each(Object.entries(drivers))(
  'a directory through a virtqueue, chains %s',
  (_driver, [layout, msize, options]) => {
    let server: DeviceServer
    let device: VirtualDevice
    let client: Client

    beforeAll(async () => {
      server = await serveDevices(directory, {}, mkdtempSync(join(tmpdir(), 'lowerdir-test-')))
      device = server.device({ ...usualQueue, ...options }).start()
      client = await clientOn(device, layout, msize)
    })

    afterAll(async () => {
      client.close()
      device.close()
      await server.engine.close()
      rmSync(join(server.socketPath, '..'), { recursive: true })
    })

    finds(() => client)

    it('leaves no requests under way, and no lines in the log', () => {
      expect(device.queue.underWay).toBe(0)
      expect(server.log.slice(1)).toEqual(['client 1: connected'])
    })
  },
)

/** File system devices that differ in caching, queues and drivers. */
const fsDrivers: Record<string, [Layout, number, Partial<FusePolicy>, Partial<DeviceOptions>]> = {
  'as Linux lays them out, none': [linuxFuse, 1 << 17, { caching: 'none' }, {}],
  'cut anywhere, in 3 queues that are about to begin anew, mmap': [
    scattered,
    16_384,
    { caching: 'mmap' },
    { queues: 4, start: 0xffff },
  ],
  'of single bytes, without indirect tables or event indices, loose': [
    byteByByte,
    4096,
    { caching: 'loose' },
    { size: 1024, eventIndex: false, indirect: false },
  ],
}

describe.each(Object.entries(fsDrivers))(
  'a directory through a file system device, chains %s',
  (_driver, [layout, most, policy, options]) => {
    let server: FuseServer
    let device: VirtualDevice
    let client: FuseClient

    beforeAll(async () => {
      const folder = mkdtempSync(join(tmpdir(), 'lowerdir-test-'))
      server = await serveFuse(directory, policy, {}, folder)
      device = server.device(1, options).start()
      client = await FuseClient.connect(new DeviceChannel(device, layout))
    })

    afterAll(async () => {
      client.close()
      await server.engine.close()
      rmSync(join(server.socketPath, '..'), { recursive: true })
    })

    it.each(Object.entries(behaviours))(
      '%s',
      async (_name, behaviour) => {
        await behaviour(await own(FuseFs.over(client, process.geteuid!() === 0, most)))
      },
      60_000,
    )

    it('leaves no requests under way, and no lines in the log', async () => {
      // Nobody has waited for the nodes to be forgotten.
      const underWay = (): number[] => device.queues.map(({ driver }) => driver.underWay)
      await expect.poll(underWay).toEqual(device.queues.map(() => 0))
      expect(server.log.slice(1)).toEqual(['client 1: connected'])
    })
  },
)

describe('the script for machines that have nothing but Node', () => {
  it('says the same', () => {
    const script = conformanceScript()
    const folder = temporaryDirectory()
    chmodSync(folder, 0o755)
    const child = [script, folder]
    const { stdout, stderr, status } = spawnSync(process.execPath, child, { encoding: 'utf8' })
    const lines = conformanceLines(stdout)
    expect(lines.filter(({ ok }) => !ok)).toEqual([])
    expect([stderr, status]).toEqual(['', 0])
    expect(lines.map(({ name }) => name)).toEqual(Object.keys({ ...behaviours, ...kernelOnly }))
  }, 60_000)
})
