import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { errno } from '../../../src/sys/errno.ts'
import { direntBytes } from '../../../src/9p/wire/dirent.ts'
import { type Entry, HostProbe } from '../../support/host-probe.ts'
import { mountTmpfs, temporaryDirectory } from '../../support/temporary.ts'

function all(probe: HostProbe, fid: number, count: number, from = 0n): Entry[] {
  const entries: Entry[] = []
  for (let offset = from; ;) {
    const some = probe.entries(fid, offset, count)
    if (some.length === 0) return entries
    entries.push(...some)
    offset = some.at(-1)!.offset
  }
}

function many(directory: string, count: number): string[] {
  const names = Array.from({ length: count }, (_, i) => `${i}-${'n'.repeat(i % 200)}`)
  for (const name of names) writeFileSync(join(directory, name), '')
  return ['.', '..', ...names].toSorted()
}

const nameOf = ({ name }: Entry): string => name

/** Made once: file systems take their time over so many names. */
let large: string
let expected: string[]

beforeAll(() => {
  large = mkdtempSync(join(tmpdir(), 'lowerdir-test-'))
  expected = many(large, 5000)
}, 60_000)

afterAll(() => rmSync(large, { recursive: true }))

describe('the entries of a directory', () => {
  it('are all there, once each, however few fit into an answer', () => {
    const probe = new HostProbe(large)
    const fid = probe.opened('')
    for (const count of [240, 1000, 8192, 131072, 0xffff_ffff]) {
      const found = all(probe, fid, count).map(nameOf)
      expect(found.length).toBe(expected.length)
      expect(found.toSorted()).toEqual(expected)
    }
  })

  it('go on from any cookie, in any order, also through another fid and another server', () => {
    const probe = new HostProbe(large)
    const fid = probe.opened('')
    const inOrder = all(probe, fid, 65536)
    // Every cookie, from the last one back to the first.
    const following: string[] = []
    for (let i = inOrder.length - 2; i >= 0; i--) {
      following.push(probe.entries(fid, inOrder[i]!.offset, 290)[0]!.name)
    }
    expect(following.toReversed()).toEqual(inOrder.slice(1).map(nameOf))
    expect(probe.entries(fid, inOrder.at(-1)!.offset)).toEqual([])
    const other = new HostProbe(large)
    const middle = 2500
    const rest = all(other, other.opened(''), 999, inOrder[middle]!.offset)
    expect(rest.map(nameOf)).toEqual(inOrder.slice(middle + 1).map(nameOf))
    // From the beginning again.
    expect(probe.entries(fid, 0n, 500)[0]).toEqual(inOrder[0])
  })

  it('fill an answer as far as whole ones fit, and never more', () => {
    const directory = temporaryDirectory()
    many(directory, 300)
    const probe = new HostProbe(directory)
    const fid = probe.opened('')
    const inOrder = all(probe, fid, 65536)
    for (let count = 30; count < 1500; count += 7) {
      let room = count
      let fitting = 0
      for (const { name } of inOrder) {
        room -= direntBytes(Buffer.byteLength(name, 'latin1'))
        if (room < 0) break
        fitting++
      }
      if (fitting === 0) continue
      expect([count, probe.entries(fid, 0n, count).length]).toEqual([count, fitting])
    }
  })

  it('are EINVAL where not even one fits: nothing would mean the end', () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'a name'), '')
    const probe = new HostProbe(directory)
    const fid = probe.opened('')
    for (const count of [0, 1, 24]) {
      expect(probe.errnoOf('readdir', { fid, offset: 0n, count })).toBe(errno.EINVAL)
    }
    const { offset } = probe.entries(fid).at(-1)!
    expect(probe.entries(fid, offset, 1)).toEqual([])
  })

  it('begin anew at cookie 0 with what is there then', () => {
    const directory = temporaryDirectory()
    const probe = new HostProbe(directory)
    const fid = probe.opened('')
    expect(probe.entries(fid).map(nameOf).toSorted()).toEqual(['.', '..'])
    mkdirSync(join(directory, 'new'))
    expect(probe.entries(fid).map(nameOf).toSorted()).toEqual(['.', '..', 'new'])
  })

  it('do no harm for a cookie that never existed', () => {
    const directory = temporaryDirectory()
    const probe = new HostProbe(directory)
    const fid = probe.opened('')
    for (const offset of [2n ** 63n, 2n ** 64n - 1n]) {
      expect(probe.errnoOf('readdir', { fid, offset, count: 1000 })).toBe(errno.EINVAL)
    }
    expect(probe.entries(fid).length).toBe(2)
  })

  it('have the types of their files', () => {
    const directory = temporaryDirectory()
    mkdirSync(join(directory, 'd'))
    writeFileSync(join(directory, 'f'), '')
    symlinkSync('f', join(directory, 'l'))
    const probe = new HostProbe(directory)
    const types = Object.fromEntries(
      probe.entries(probe.opened('')).map(({ name, type, qid }) => [name, [type, qid.type]]),
    )
    expect(types).toEqual({
      '.': [4, 0x80],
      '..': [4, 0x80],
      d: [4, 0x80],
      f: [8, 0],
      l: [10, 2],
    })
  })

  it('have names of any bytes', () => {
    const directory = temporaryDirectory()
    const names = ['\u00ff\u00fe', 'ä', 'x'.repeat(255), '\n', ' ', '\\', '\u0001']
    const bytes = names.map((name) => Buffer.from(name, 'latin1'))
    for (const name of bytes) {
      writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), name]), name)
    }
    const probe = new HostProbe(directory)
    expect(probe.names('')).toEqual(names.toSorted())
    for (const name of names) {
      expect(probe.read(probe.opened(name)).toString('latin1')).toBe(name)
    }
    probe.create('', '\u00e9\u0080')
    const found = readdirSync(directory, { encoding: 'buffer' })
    expect(found.some((name) => name.equals(Buffer.from([0xe9, 0x80])))).toBe(true)
  })

  it('have cookies that can be resumed on tmpfs, too', () => {
    const directory = temporaryDirectory()
    mountTmpfs(join(directory, 'tmpfs'))
    const names = many(join(directory, 'tmpfs'), 500)
    const probe = new HostProbe(directory)
    expect(all(probe, probe.opened('tmpfs'), 300).map(nameOf).toSorted()).toEqual(names)
  })
})
