import { mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { plusEntriesIn } from '../support/fuse/directory-entries.ts'
import { FuseHostProbe } from '../support/fuse/host-probe.ts'
import { memoryFolder } from '../support/memory-folder.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const FILES_EACH = 100
/** All 303,000 nodes with `LOWERDIR_MANY_FIDS=303000`; without it a tenth, thirty times what there are descriptors for. */
const NODES = Number(process.env['LOWERDIR_MANY_FIDS'] ?? 30_300)
const DIRECTORIES = Math.ceil(NODES / (FILES_EACH + 1))
const DESCRIPTORS = 1024
/** Every so many files one is looked at more closely, and has something inside. */
const SAMPLE = 97

interface Found {
  readonly path: string
  readonly nodeid: number
}

let directory: string

beforeEach(() => {
  directory = temporaryDirectory(memoryFolder)
  let i = 0
  for (let d = 0; d < DIRECTORIES; d++) {
    mkdirSync(join(directory, `${d}`))
    for (let f = 0; f < FILES_EACH; f++) {
      writeFileSync(join(directory, `${d}`, `${f}`), i++ % SAMPLE === 0 ? `${d}/${f}` : '')
    }
  }
})

/** What a READDIRPLUS of a whole directory tells. */
function listed(probe: FuseHostProbe, nodeid: number, path: string): Found[] {
  const { fh } = probe.call('opendir', {}, { nodeid })
  const found: Found[] = []
  for (let offset = 0n; ;) {
    const { data } = probe.call('readdirplus', { fh, offset, size: 65_536 }, { nodeid })
    const entries = plusEntriesIn(data)
    if (entries.length === 0) break
    const told = entries.filter(({ entry }) => entry.nodeid !== 0)
    found.push(...told.map(({ name, entry }) => ({ path: join(path, name), nodeid: entry.nodeid })))
    offset = entries.at(-1)!.cookie
  }
  probe.call('releasedir', { fh }, { nodeid })
  return found
}

function forget(probe: FuseHostProbe, found: readonly Found[]): void {
  for (let i = 0; i < found.length; i += 4000) {
    const nodes = found.slice(i, i + 4000).map(({ nodeid }) => ({ nodeid, count: 1 }))
    probe.tell('batchForget', { nodes })
  }
}

it(`a client knows ${DIRECTORIES * (FILES_EACH + 1)} nodes of a server that has ${DESCRIPTORS} descriptors`, () => {
  const before = openDescriptors()
  const held = (): number => openDescriptors() - before
  const probe = new FuseHostProbe(directory, { descriptors: DESCRIPTORS }, { caching: 'mmap' })
  const directories = listed(probe, 1, '')
  const files = directories.flatMap(({ nodeid, path }) => listed(probe, nodeid, path))
  expect([directories.length, files.length]).toEqual([DIRECTORIES, DIRECTORIES * FILES_EACH])
  expect(new Set(files.map(({ nodeid }) => nodeid)).size).toBe(files.length)
  probe.settle()
  expect(held()).toBeLessThanOrEqual(DESCRIPTORS)

  // In another order than they were found, so that few of them have a descriptor.
  const sample = files.filter(({ path }) => statSync(join(directory, path)).size > 0)
  const order = ({ nodeid }: Found): number => (nodeid * 31) % 101
  const shuffled = sample.toSorted((a, b) => order(a) - order(b))
  expect(shuffled.length).toBeGreaterThan(DIRECTORIES)
  for (const { path, nodeid } of shuffled) {
    const fh = probe.open(nodeid)
    expect(probe.read(fh)).toBe(path)
    probe.call('release', { fh }, { nodeid })
  }
  expect(held()).toBeLessThanOrEqual(DESCRIPTORS)

  // The host replaces files that no request has used since.
  const replaced = files.filter((_, i) => i % SAMPLE === 1).slice(0, 100)
  for (const { path, nodeid } of replaced) {
    writeFileSync(join(directory, 'new'), 'new')
    renameSync(join(directory, 'new'), join(directory, path))
    expect(probe.errnoOf('getattr', {}, { nodeid })).toBe(errno.ESTALE)
  }

  forget(probe, files)
  expect(probe.session.nodes.size).toBe(1 + directories.length)
  forget(probe, directories)
  // The root's, and /proc/self/fd.
  expect([probe.session.nodes.size, held()]).toEqual([1, 2])
})
