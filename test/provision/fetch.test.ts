import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Archive } from '../../src/provision/archive.ts'
import { fetchBusybox, findBusybox } from '../../src/provision/busybox.ts'
import { readHost } from '../../src/provision/host.ts'
import { inventory, provision } from '../../src/provision/inventory.ts'
import type { Progress } from '../../src/provision/archive.ts'
import { temporaryFolder } from './folder.ts'

// These tests fetch busybox, 1 MB, from the mirror that this machine's apt uses.

beforeEach(() => {
  for (const name of ['QEMU', 'BUSYBOX', 'KERNEL']) vi.stubEnv(`LOWERDIR_${name}`, '')
})
afterEach(() => {
  vi.unstubAllEnvs()
})

const partials = (cache: string) => readdir(join(cache, 'partial')).catch(() => [])

test('busybox is fetched once, with progress, and leaves nothing else behind', async () => {
  const cache = await temporaryFolder()
  const seen: Progress[] = []
  const busybox = await fetchBusybox({ cache, onProgress: (progress) => seen.push(progress) })
  expect(await findBusybox({ cache })).toEqual(busybox)
  expect(new Set(seen.map(({ phase }) => phase))).toEqual(
    new Set(['index', 'download', 'unpack', 'finish']),
  )
  const downloaded = seen.findLast(({ phase }) => phase === 'download')
  expect(downloaded?.total).toBeGreaterThan(100_000)
  expect(downloaded?.done).toBe(downloaded?.total)
  expect(await readdir(cache)).toEqual(['busybox', 'partial'])
  expect(await partials(cache)).toEqual([])

  const again: Progress[] = []
  const provided = await provision({
    cache,
    want: ['busybox'],
    onProgress: (progress) => again.push(progress),
  })
  expect(provided.busybox.found).toEqual(busybox)
  expect(again).toEqual([])
}, 120_000)

test('two fetches at the same time end with the same folder', async () => {
  const cache = await temporaryFolder()
  const [first, second] = await Promise.all([fetchBusybox({ cache }), fetchBusybox({ cache })])
  expect(first).toEqual(second)
  expect(await readdir(join(cache, 'busybox'))).toHaveLength(1)
  expect(await partials(cache)).toEqual([])
}, 120_000)

test.each(['index', 'download', 'unpack', 'finish'])(
  'aborted during %s, it leaves nothing',
  async (phase) => {
    const cache = await temporaryFolder()
    const abort = new AbortController()
    const fetching = fetchBusybox({
      cache,
      signal: abort.signal,
      onProgress: (progress) => {
        if (progress.phase === phase) abort.abort(new Error('enough'))
      },
    })
    await expect(fetching).rejects.toThrow('enough')
    expect(await readdir(join(cache, 'busybox')).catch(() => [])).toEqual([])
    expect(await partials(cache)).toEqual([])
  },
  120_000,
)

test('a mirror that cannot be reached is said to be so', async () => {
  const cache = await temporaryFolder()
  for (const name of ['http_proxy', 'https_proxy']) vi.stubEnv(name, 'http://127.0.0.1:1')
  vi.stubEnv('no_proxy', '')
  await expect(fetchBusybox({ cache })).rejects.toMatchObject({ code: 'no-network' })
  expect(await partials(cache)).toEqual([])
}, 120_000)

test('before the first apt update, the mirror is the one that apt is configured for', async () => {
  const cache = await temporaryFolder()
  await mkdir(join(cache, 'lists'))
  const mirror = 'http://127.0.0.1:1/debian'
  await writeFile(join(cache, 'sources'), `deb ${mirror} ${(await readHost()).codename} main\n`)
  await writeFile(
    join(cache, 'apt.conf'),
    `Dir::State::lists "${cache}/lists";
     Dir::Etc::sourcelist "${cache}/sources";
     Dir::Etc::sourceparts "/dev/null";`,
  )
  vi.stubEnv('APT_CONFIG', join(cache, 'apt.conf'))
  const said: string[] = []
  const onProgress = ({ detail }: Progress): void => {
    said.push(detail)
  }
  const fetching = fetchBusybox({ cache, onProgress })
  await expect(fetching).rejects.toMatchObject({
    code: 'no-network',
    message: expect.stringContaining(mirror) as string,
  })
  expect(said[0]).toMatch(new RegExp(`^Debian .* from ${mirror}/$`))
}, 120_000)

test('the public mirror is not taken without a word', async () => {
  const cache = await temporaryFolder()
  await writeFile(
    join(cache, 'apt.conf'),
    'Dir::Etc::sourcelist "/dev/null"; Dir::Etc::sourceparts "/dev/null";',
  )
  vi.stubEnv('APT_CONFIG', join(cache, 'apt.conf'))
  const abort = new AbortController()
  const said: string[] = []
  const onProgress = ({ detail }: Progress): void => {
    said.push(detail)
    abort.abort(new Error('enough'))
  }
  await expect(fetchBusybox({ cache, signal: abort.signal, onProgress })).rejects.toThrow('enough')
  expect(said[0]).toMatch(
    /from http:\/\/deb\.debian\.org\/debian \(the public mirror: apt .* is not configured/,
  )
}, 120_000)

test('a suite that does not exist is said to be so', async () => {
  const cache = await temporaryFolder()
  await expect(fetchBusybox({ cache, suite: 'nonesuch' })).rejects.toMatchObject({
    code: 'no-suite',
    message: expect.stringContaining('Check its name') as string,
  })
}, 120_000)

test('a package that does not exist is named', async () => {
  const cache = await temporaryFolder()
  await using archive = await Archive.open({ cache })
  await expect(archive.version('nonesuch')).rejects.toThrow('has no package nonesuch')
  const request = { packages: ['nonesuch'], closure: true, detail: '' }
  await expect(archive.download(request)).rejects.toThrow('has no package nonesuch')
}, 120_000)

test('without apt it is said what to install', async () => {
  const cache = await temporaryFolder()
  vi.stubEnv('PATH', '/nonexistent')
  await expect(fetchBusybox({ cache })).rejects.toMatchObject({
    code: 'no-apt',
    message: expect.stringContaining(
      'LOWERDIR_QEMU, LOWERDIR_BUSYBOX and LOWERDIR_KERNEL',
    ) as string,
  })
})

test('a folder that cannot be written is named', async () => {
  await expect(fetchBusybox({ cache: '/dev/null/cache' })).rejects.toThrow('/dev/null/cache')
}, 120_000)

test('the inventory of an empty machine gives a reason for each part', async () => {
  const cache = await temporaryFolder()
  vi.stubEnv('PATH', '/nonexistent')
  const found = await inventory({ cache, suite: 'sid' })
  expect(found.qemu.missing).toContain('No QEMU of Debian sid found')
  expect(found.kernel.missing).toContain('No guest kernel of Debian sid found')
  await expect(provision({ cache, paths: { qemu: '/nonexistent/qemu' } })).rejects.toThrow(
    'There is no QEMU at /nonexistent/qemu',
  )
})
