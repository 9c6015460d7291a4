import { execFileSync } from 'node:child_process'
import { lstatSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { cpio } from '../../src/guest/cpio.ts'
import type { CpioEntry } from '../../src/guest/cpio.ts'
import { fetchBusybox, findBusybox } from '../../src/provision/busybox.ts'
import { temporaryFolder } from '../provision/folder.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

let busybox: string

beforeAll(async () => {
  const { path } = await findBusybox().catch(() => fetchBusybox())
  busybox = path
}, 120_000)

const entries: CpioEntry[] = [
  { kind: 'file', path: 'bin/tool', mode: 0o755, data: bytes('#!/bin/sh\n') },
  { kind: 'file', path: 'empty', mode: 0o600, data: bytes('') },
  { kind: 'symlink', path: 'bin/sh', target: 'tool' },
  { kind: 'directory', path: 'bin', mode: 0o711 },
  { kind: 'directory', path: 'tmp/deep/down', mode: 0o1777 },
  { kind: 'file', path: 'names/a b é', mode: 0o644, data: bytes('12345') },
]

test('the real cpio unpacks it', async () => {
  const folder = await temporaryFolder()
  execFileSync(busybox, ['cpio', '-i', '-m'], { cwd: folder, input: cpio(entries), stdio: 'pipe' })
  const mode = (path: string) => lstatSync(join(folder, path)).mode & 0o7777
  expect(readFileSync(join(folder, 'bin/tool'), 'utf8')).toBe('#!/bin/sh\n')
  expect(readFileSync(join(folder, 'names/a b é'), 'utf8')).toBe('12345')
  expect(lstatSync(join(folder, 'empty')).size).toBe(0)
  expect(readlinkSync(join(folder, 'bin/sh'))).toBe('tool')
  expect(mode('bin/tool')).toBe(0o755)
  expect(mode('bin')).toBe(0o711)
  expect(mode('tmp')).toBe(0o755)
  expect(mode('tmp/deep/down')).toBe(0o1777)
  expect(lstatSync(join(folder, 'bin/tool')).mtimeMs).toBe(0)
})

test('the real cpio lists a device as one', () => {
  const archive = cpio([{ kind: 'char device', path: 'dev/null', mode: 0o666, major: 1, minor: 3 }])
  const listing = execFileSync(busybox, ['cpio', '-t', '-v'], { input: archive, stdio: 'pipe' })
  expect(listing.toString()).toMatch(/^crw-rw-rw- 0\/0 .* dev\/null$/m)
})

test('equal entries give equal bytes', () => {
  expect(cpio(entries)).toEqual(cpio([...entries]))
})

test.each(['', '/', '/abs', 'a//b', 'a/', './a', 'a/../b', '..', 'a\0b', 'TRAILER!!!'])(
  'the path %j is refused',
  (path) => {
    expect(() => cpio([{ kind: 'directory', path, mode: 0o755 }])).toThrow(RangeError)
  },
)

test('what cannot be in one archive is refused', () => {
  expect(() => cpio([{ kind: 'directory', path: 'x'.repeat(4096), mode: 0o755 }])).toThrow('over')
  const file = (path: string): CpioEntry => ({ kind: 'file', path, mode: 0o644, data: bytes('') })
  expect(() => cpio([file('a'), file('a')])).toThrow('a is twice')
  expect(() => cpio([file('a/b'), file('a')])).toThrow('a is no directory')
  expect(() => cpio([{ kind: 'symlink', path: 'a', target: '' }])).toThrow('cannot be a link')
  expect(() => cpio([{ kind: 'directory', path: 'a', mode: 0o40755 }])).toThrow('is no mode')
  const device = { kind: 'char device', path: 'a', mode: 0o600, minor: 0 } as const
  expect(() => cpio([{ ...device, major: -1 }])).toThrow('is no device number')
})

test('every archive is read back as what was written', () => {
  const name = fc
    .string({ minLength: 1, maxLength: 12, unit: 'grapheme' })
    .filter((text) => !/[/\0]/.test(text) && text !== '.' && text !== '..' && text !== 'TRAILER!!!')
  const mode = fc.nat({ max: 0o7777 })
  const leaf: fc.Arbitrary<CpioEntry> = fc.oneof(
    fc.record({
      kind: fc.constant('file' as const),
      path: name,
      mode,
      data: fc.uint8Array({ maxLength: 40 }),
    }),
    fc.record({ kind: fc.constant('directory' as const), path: name, mode }),
    fc.record({ kind: fc.constant('symlink' as const), path: name, target: name }),
    fc.record({
      kind: fc.constant('char device' as const),
      path: name,
      mode,
      major: fc.nat(),
      minor: fc.nat(),
    }),
  )
  const folders = fc.array(name, { maxLength: 3 })
  const tree = fc.uniqueArray(fc.tuple(folders, leaf), {
    selector: ([, entry]) => entry.path,
    maxLength: 12,
  })
  fc.assert(
    fc.property(tree, (pairs) => {
      // A first part that no other path has, so that no file is in another's way.
      const given = pairs.map(([parts, entry], i): CpioEntry => {
        return { ...entry, path: [`${i}`, ...parts, entry.path].join('/') }
      })
      const read = readCpio(cpio(given))
      const asked = new Set(given.map(({ path }) => path))
      expect(read.filter(({ path }) => asked.has(path))).toEqual(given.map(plain))
      const order = read.map(({ path }) => path)
      const orphans = order.filter((path, at) => {
        const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')))
        return parent !== '' && !order.slice(0, at).includes(parent)
      })
      expect(orphans).toEqual([])
    }),
  )
})

/** An entry with its data as an ordinary array, to be compared by value. */
function plain(entry: CpioEntry): object {
  return entry.kind === 'file' ? { ...entry, data: [...entry.data] } : entry
}

interface ReadEntry {
  path: string
  [field: string]: unknown
}

/** Reads an archive back, as little as the test needs and with no code of the writer's. */
function readCpio(archive: Uint8Array): ReadEntry[] {
  const view = Buffer.from(archive)
  const found: ReadEntry[] = []
  for (let at = 0; ;) {
    const header = view.toString('latin1', at, at + 110)
    if (!header.startsWith('070701')) throw new Error(`No header at ${at}.`)
    const field = (index: number) =>
      Number.parseInt(header.slice(6 + index * 8, 14 + index * 8), 16)
    const [mode, size, nameSize] = [field(1), field(6), field(11)]
    const path = view.toString('utf8', at + 110, at + 110 + nameSize - 1)
    const start = (at + 110 + nameSize + 3) & ~3
    const data = view.subarray(start, start + size)
    at = (start + size + 3) & ~3
    if (path === 'TRAILER!!!') {
      if (at !== view.length) throw new Error('Something follows the trailer.')
      return found
    }
    const permissions = mode & 0o7777
    switch (mode & 0o170000) {
      case 0o100000:
        found.push({ kind: 'file', path, mode: permissions, data: [...data] })
        break
      case 0o040000:
        found.push({ kind: 'directory', path, mode: permissions })
        break
      case 0o120000:
        found.push({ kind: 'symlink', path, target: data.toString('utf8') })
        break
      default:
        found.push({
          kind: 'char device',
          path,
          mode: permissions,
          major: field(9),
          minor: field(10),
        })
    }
  }
}
