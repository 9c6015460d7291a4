import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { FsDriver } from '../../bench/fs/driver.ts'
import { fillFolder } from '../../bench/fs/folder.ts'
import { line } from '../../bench/fs/fs-report.ts'
import { type FsLoad, measure } from '../../bench/fs/measure.ts'
import { type MountedFolder, mountFolder } from '../../bench/fs/mounted-folder.ts'
import { VhostUserDriver } from '../../bench/fs/vhost-user-driver.ts'
import { workloads } from '../../bench/fs/workloads.ts'
import { serveDirectory } from '../support/directory-server.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/** A driver whose server serves the bench's folder. */
async function mounted(): Promise<AsyncDisposable & { driver: FsDriver; folder: MountedFolder }> {
  const directory = temporaryDirectory()
  fillFolder(directory)
  const path = join(temporaryDirectory(), 'fs')
  const listen = { kind: 'virtiofs', path, caching: 'loose', remoteLocks: false } as const
  const server = await serveDirectory(directory, { listen: [listen] })
  const driver = new VhostUserDriver(path)
  return {
    driver,
    folder: mountFolder(driver),
    async [Symbol.asyncDispose]() {
      driver[Symbol.dispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

describe("the file system bench's driver", () => {
  it('gets the replies that it expects in each workload', async () => {
    await using mount = await mounted()
    const { driver, folder } = mount
    for (const workload of workloads) {
      const load = measure(driver, workload.prepare(driver, folder), 3, 10, () => 0)
      driver.clear()
      expect(load.rate).toBeGreaterThan(0)
      expect(load.latency99).toBeGreaterThanOrEqual(load.latency)
    }
  })

  it('measures nothing when the server answers with an error', async () => {
    await using mount = await mounted()
    const { driver, folder } = mount
    const jobs = folder.files.map((node) => {
      const request = driver.prepare('lookup', node, { name: 'below a file' }, { fields: 128 })
      return [{ ...request, replyBytes: 144 }]
    })
    expect(() => measure(driver, jobs, 1, 10, () => 0)).toThrow('with error -20')
  })
})

describe('a row of its report', () => {
  const load = (rate: number): FsLoad => ({ rate, cpu: 1e9 / rate, latency: 5, latency99: 9 })

  it('has the median of the ratios of rounds, and the goal that it misses', () => {
    const lowerdir = [load(100_000), load(20_000), load(140_000)]
    const virtiofsd = [load(100_000), load(10_000), load(100_000)]
    const columns = line('GETATTR', 16, 1.5, { lowerdir, virtiofsd })
    expect(columns.split(/ {2,}/).slice(0, 6)).toEqual([
      'GETATTR',
      '16',
      '100000',
      '100000',
      '1.40 ! 1.5',
      '1.00 to 2.00',
    ])
  })

  it('has no goal where the ratio reaches it', () => {
    const loads = { lowerdir: [load(300)], virtiofsd: [load(200)] }
    expect(line('GETATTR', 1, 1.5, loads)).not.toContain('!')
  })
})
