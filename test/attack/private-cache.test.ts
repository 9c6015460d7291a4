import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Qmp } from '../../src/machine/qmp.ts'
import { saveDisks } from '../../src/machine/saved-disks.ts'
import { saveMemory } from '../../src/machine/saved-memory.ts'
import { SnapshotCache } from '../../src/machine/snapshot-cache.ts'
import { cacheFolder } from '../../src/provision/cache.ts'
import { makePartial } from '../../src/provision/partial.ts'
import { asOrdinaryUser, built, ordinaryId } from '../support/ordinary-user.ts'
import { needsRoot, temporaryDirectory } from '../support/temporary.ts'

let folder: string
let umask: number

beforeEach(() => {
  folder = temporaryDirectory()
  // All that a user may forget.
  umask = process.umask(0)
})

afterEach(() => {
  process.umask(umask)
})

const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8)

describe('the cache', () => {
  it('of another user, or that all users may write to, is refused: its programs would be run', () => {
    needsRoot('gives a folder away')
    const env = { LOWERDIR_CACHE: folder }
    expect(cacheFolder(env)).toBe(folder)
    chmodSync(folder, 0o777)
    expect(() => cacheFolder(env)).toThrow(`All users can write to the cache ${folder}`)
    chmodSync(folder, 0o755)
    chownSync(folder, ordinaryId, ordinaryId)
    expect(() => cacheFolder(env)).toThrow('belongs to another user (uid 65534)')
  })

  it('of root may be used by others', () => {
    chmodSync(folder, 0o755)
    const script = `const { cacheFolder } = await import(${JSON.stringify(built('provision/cache.js'))})
      console.log(JSON.stringify(cacheFolder({ LOWERDIR_CACHE: values })))`
    expect(asOrdinaryUser(script, folder)).toBe(folder)
  })

  it('is made for this user alone, and what is filled in it as well', async () => {
    const cache = join(folder, 'a', 'cache')
    await makePartial(cache)
    expect([mode(cache), mode(join(cache, 'partial'))]).toEqual(['700', '700'])
  })

  it('of an earlier version is closed where it has what others may not see', async () => {
    for (const name of ['partial', 'snapshots']) mkdirSync(join(folder, name), { mode: 0o755 })
    const cache = new SnapshotCache(folder)
    await cache.find('x')
    expect(mode(join(folder, 'snapshots'))).toBe('700')
    await makePartial(folder)
    expect(mode(join(folder, 'partial'))).toBe('700')
  })

  it('has no folder that is a symlink', async () => {
    const other = temporaryDirectory()
    symlinkSync(other, join(folder, 'partial'))
    await expect(makePartial(folder)).rejects.toThrow('is no folder, or a symbolic link')
    symlinkSync(other, join(folder, 'snapshots'))
    await expect(new SnapshotCache(folder).find('x')).rejects.toThrow('is no folder')
    expect(readdirSync(other)).toEqual([])
  })

  it('keeps snapshots for this user alone', async () => {
    const cache = new SnapshotCache(folder)
    const about = { name: 'vm', root: '/', doing: 'booted' }
    const place = await cache.add('key', about, async () => {})
    expect(mode(join(folder, 'snapshots'))).toBe('700')
    expect(mode(join(place, 'about.json'))).toBe('600')
  })
})

describe('a guest’s memory and disks', () => {
  /** A monitor that writes what QEMU would, and notes what the file was before. */
  function monitor(
    act: (command: string, parameters: Readonly<Record<string, unknown>>) => unknown,
  ): Qmp {
    const qmp: Partial<Qmp> = {
      execute: async (command, parameters) =>
        command === 'query-status' ? { status: 'paused' } : act(command, { ...parameters }),
      next: async () => ({
        event: '',
        timestamp: { seconds: 0, microseconds: 0 },
        data: { status: 'completed' },
      }),
    }
    return qmp as Qmp
  }

  /** What others have put in the file's place. */
  function plant(file: string): void {
    writeFileSync(join(folder, 'elsewhere'), 'of the user', { mode: 0o666 })
    symlinkSync(join(folder, 'elsewhere'), file)
  }

  it.each([
    ['a QEMU that writes files', { major: 9, minor: 0, text: '9.0' }],
    ['a QEMU that has a shell write', { major: 7, minor: 2, text: '7.2' }],
  ])('are nobody else’s from the first byte on, with %s', async (_which, version) => {
    const file = join(folder, 'memory')
    plant(file)
    const seen: string[] = []
    const qmp = monitor((command, { uri }) => {
      if (command !== 'migrate') return
      const [kind, rest] = /^(file|exec):([^]*)$/.exec(String(uri))!.slice(1)
      const target = kind === 'file' ? file : `${file}.part`
      seen.push(mode(target))
      if (kind === 'file') writeFileSync(target, 'memory')
      else execFileSync('sh', ['-c', rest!], { input: 'memory' })
    })
    await saveMemory(qmp, version, file)
    expect([...seen, mode(file), readFileSync(file, 'utf8')]).toEqual(['600', '600', 'memory'])
    expect(readFileSync(join(folder, 'elsewhere'), 'utf8')).toBe('of the user')
  })

  it('are nobody else’s: a disk', async () => {
    const image = { file: join(folder, 'image'), format: 'raw', readOnly: false } as const
    writeFileSync(image.file, '')
    truncateSync(image.file, 1 << 20)
    const file = join(folder, 'disk0')
    plant(file)
    const seen: string[] = []
    const qmp = monitor((command) => {
      if (command === 'query-block') {
        return [{ device: 'disk0', inserted: { image: { 'virtual-size': 1 << 20 } } }]
      }
      if (command === 'blockdev-add') seen.push(mode(file))
      return undefined
    })
    await saveDisks(qmp, [image], folder)
    expect([...seen, mode(file), statSync(file).size]).toEqual(['600', '600', 1 << 20])
    expect(readFileSync(join(folder, 'elsewhere'), 'utf8')).toBe('of the user')
  })
})
