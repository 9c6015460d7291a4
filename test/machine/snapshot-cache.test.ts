import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { SNAPSHOT_FORMAT } from '../../src/machine/snapshot.ts'
import { SnapshotCache } from '../../src/machine/snapshot-cache.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { lowerdir } from '../support/vm-cli.ts'

const about = { name: 'vm', root: '/srv/root', doing: 'booted' }
const HOUR = 60 * 60 * 1000
const MIB = 2 ** 20

let folder: string

beforeEach(() => {
  folder = temporaryDirectory()
})

/** Makes a snapshot of `size` bytes that was used `hours` ago. */
async function add(cache: SnapshotCache, key: string, size = 1000, hours = 0): Promise<string> {
  const place = await cache.add(key, about, async (into) => {
    await writeFile(join(into, 'memory'), Buffer.alloc(size, 'x'))
  })
  const then = new Date(Date.now() - hours * HOUR)
  if (existsSync(place)) utimesSync(join(place, 'about.json'), then, then)
  return place
}

async function keys(cache: SnapshotCache): Promise<string[]> {
  return (await cache.list()).map(({ key }) => key)
}

/** Nothing half-made is left. */
function leftovers(): string[] {
  return readdirSync(join(folder, 'partial'))
}

describe('the cache of snapshots', () => {
  it('has what was added, with a description', async () => {
    const cache = new SnapshotCache(folder)
    expect([await cache.find('a'), await cache.list()]).toEqual([undefined, []])
    const place = await add(cache, 'a', 3 * MIB)
    expect(await cache.find('a')).toBe(place)
    expect(existsSync(join(place, 'memory'))).toBe(true)
    const [found] = await cache.list()
    expect(found).toMatchObject({ ...about, key: 'a', folder: place })
    expect(found!.bytes).toBeGreaterThanOrEqual(3 * MIB)
    expect(found!.bytes).toBeLessThan(4 * MIB)
    await cache.remove('a')
    await cache.remove('a')
    expect([await cache.find('a'), await keys(cache), leftovers()]).toEqual([undefined, [], []])
  })

  it('keeps nothing of a snapshot that could not be made', async () => {
    const cache = new SnapshotCache(folder)
    const failing = cache.add('a', about, async (into) => {
      await writeFile(join(into, 'memory'), 'half')
      throw new Error('no room')
    })
    await expect(failing).rejects.toThrow('no room')
    expect([await cache.find('a'), await keys(cache), leftovers()]).toEqual([undefined, [], []])
  })

  it('ignores folders that are no snapshots', async () => {
    const cache = new SnapshotCache(folder)
    mkdirSync(join(folder, 'snapshots/a'), { recursive: true })
    writeFileSync(join(folder, 'snapshots/a/memory'), 'of a process that was killed')
    expect([await cache.find('a'), await keys(cache)]).toEqual([undefined, []])
    const place = await add(cache, 'a')
    expect(existsSync(join(place, 'memory'))).toBe(true)
    expect(await keys(cache)).toEqual(['a'])
  })

  it('keeps the first of several that are made at the same time, and all callers get it', async () => {
    const cache = new SnapshotCache(folder)
    const places = await Promise.all(
      [1, 2, 3, 4].map(() =>
        new SnapshotCache(folder).add('a', about, async (into) => {
          await writeFile(join(into, 'memory'), 'whole')
        }),
      ),
    )
    expect(new Set(places).size).toBe(1)
    expect([await keys(cache), leftovers()]).toEqual([['a'], []])
  })

  it('removes the snapshots that were used longest ago; a look-up counts as a use', async () => {
    const cache = new SnapshotCache(folder, { bytes: 3.5 * MIB, age: 1000 * HOUR })
    for (const [key, hours] of [
      ['a', 4],
      ['b', 3],
      ['c', 2],
    ] as const) {
      await add(cache, key, MIB, hours)
    }
    expect(await cache.find('a')).toBeDefined()
    await add(cache, 'd', MIB)
    expect((await keys(cache)).toSorted()).toEqual(['a', 'c', 'd'])
  })

  it('does not remove a snapshot that was just used, whatever the size of all', async () => {
    const cache = new SnapshotCache(folder, { bytes: 0, age: 1000 * HOUR })
    await add(cache, 'a', MIB)
    await add(cache, 'b', MIB)
    expect((await keys(cache)).toSorted()).toEqual(['a', 'b'])
  })

  it('removes what is too old', async () => {
    const cache = new SnapshotCache(folder, { bytes: 100 * MIB, age: 10 * HOUR })
    await add(cache, 'a', 10, 11)
    await add(cache, 'b', 10, 9)
    await cache.cleanUp()
    expect(await keys(cache)).toEqual(['b'])
  })
})

describe('lowerdir snapshot', () => {
  const run = (...args: string[]): ReturnType<typeof lowerdir> =>
    lowerdir(['snapshot', ...args], { env: { LOWERDIR_CACHE: folder } })

  it('lists them and removes those that are named', async () => {
    expect((await run('list')).stdout.toString()).toBe('There are no snapshots.\n')
    const cache = new SnapshotCache(folder)
    for (const key of ['aa11', 'aa22', 'bb33']) await add(cache, key.padEnd(64, '0'), MIB)
    const { stdout, status } = await run('list')
    expect(status).toBe(0)
    const lines = stdout.toString().trimEnd().split('\n')
    expect(lines).toHaveLength(1 + 3 * 4 + 1)
    expect(lines.join('\n')).toMatch(
      /^bb3300000000 {2}vm +1\.0 MiB +just now +just now +\? +\? +\? +no\n {2}root \/srv\/root\n {2}done: booted\n {2}does not fit: another version of lowerdir made it$/m,
    )
    expect(lines.at(-1)).toBe('3 in all, 3.0 MiB')
    const unclear = await run('remove', 'aa')
    expect([unclear.status, unclear.stderr]).toEqual([
      125,
      'lowerdir: Several snapshots begin with aa: give more characters of the key.\n',
    ])
    expect((await run('remove', 'cc')).stderr).toContain('There is no snapshot cc.')
    expect((await run('remove', 'aa1', 'bb')).stdout.toString()).toBe('2 removed.\n')
    expect(await keys(cache)).toEqual(['aa22'.padEnd(64, '0')])
    expect((await run('remove', '--all')).stdout.toString()).toBe('1 removed.\n')
  })

  it('shows what a snapshot was made of, and whether that is still what is found', async () => {
    const made = {
      qemu: { command: process.execPath, version: { text: '7.2.22' }, source: 'option' },
      kernel: { image: process.execPath, release: '6.1.0-44', source: 'option' },
      memoryMiB: 1536,
    }
    const gone = { ...made, qemu: { ...made.qemu, command: '/no/qemu' } }
    const cache = new SnapshotCache(folder)
    for (const [key, plan] of Object.entries({ aa: made, bb: gone })) {
      const place = await add(cache, key, MIB, 3)
      writeFileSync(join(place, 'machine.json'), JSON.stringify({ format: SNAPSHOT_FORMAT, plan }))
    }
    const text = (await run('list')).stdout.toString()
    expect(text).toMatch(/^KEY +NAME +SIZE +MADE +USED +MEMORY +QEMU +KERNEL +FITS$/m)
    expect(text).toMatch(
      /^aa +vm +1\.0 MiB +just now +3 h ago +1\.5 GiB +7\.2\.22 +6\.1\.0-44 +yes$/m,
    )
    expect(text).toMatch(
      /^bb +vm .* +no\n.*\n.*\n {2}does not fit: its QEMU, \/no\/qemu, is gone$/m,
    )
  })

  it('list takes no arguments', async () => {
    const { status, stderr } = await run('list', 'aa')
    expect([status, stderr]).toEqual([
      125,
      "lowerdir: Unexpected argument 'aa': snapshot list takes none. `lowerdir snapshot --help` shows its usage.\n",
    ])
  })

  it.each([[[]], [['remove']], [['remove', '--all', 'aa']], [['show']], [['lst']]])(
    '%j says what can be said',
    async (args) => {
      const { status, stderr } = await run(...args)
      expect([status, stderr]).toEqual([
        125,
        expect.stringContaining('snapshot needs something to do: `lowerdir snapshot list`'),
      ])
    },
  )
})
