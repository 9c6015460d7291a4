import { mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { type HostExport, HostExports } from '../../../src/tree/host/host-exports.ts'
import { openDescriptors } from '../../support/descriptors.ts'
import { sharePolicy } from '../../support/directory-server.ts'
import { afterwards, temporaryDirectory } from '../../support/temporary.ts'

let folder: string

beforeEach(() => {
  folder = temporaryDirectory()
  for (const name of ['a', 'b', 'ä']) mkdirSync(join(folder, name))
})

function exportOf(name: string | null, directory: string): HostExport {
  return { name, directory: join(folder, directory), ...sharePolicy }
}

function opened(...exports: readonly HostExport[]): HostExports {
  const all = new HostExports(exports)
  afterwards(() => all.close())
  return all
}

/** The directory's inode that an aname, a byte string, leads to; or the errno's name. */
function reached(exports: HostExports, aname: string): number | string {
  try {
    const { node } = exports.attach(aname)
    const { ino } = node
    node.release()
    return Number(ino)
  } catch (error) {
    return (error as { code: string }).code
  }
}

function inode(directory: string): number {
  return statSync(join(folder, directory)).ino
}

describe('exports of host directories', () => {
  it('have their names, and no others', () => {
    const exports = opened(exportOf('one', 'a'), exportOf('two', 'b'), exportOf('ü', 'ä'))
    expect(reached(exports, 'one')).toBe(inode('a'))
    expect(reached(exports, 'two')).toBe(inode('b'))
    // A name of the wire is made of bytes.
    expect(reached(exports, '\xc3\xbc')).toBe(inode('ä'))
    for (const aname of ['', '/', 'One', 'one/', '/one', 'ü', 'three', '..']) {
      expect([aname, reached(exports, aname)]).toEqual([aname, 'ENOENT'])
    }
  })

  it('need no name if there is one of them', () => {
    const exports = opened(exportOf('one', 'a'))
    for (const aname of ['one', '', '/']) expect(reached(exports, aname)).toBe(inode('a'))
    expect(reached(exports, 'two')).toBe('ENOENT')
  })

  it('may be a tree that answers to every name', () => {
    const exports = opened(exportOf(null, 'a'))
    for (const aname of ['one', '', '/', '/srv/x', '..'])
      expect(reached(exports, aname)).toBe(inode('a'))
  })

  it('are all there or none is, and leave nothing open', () => {
    const before = openDescriptors()
    const all = [exportOf('one', 'a'), exportOf('two', 'missing')]
    expect(() => new HostExports(all)).toThrow(expect.objectContaining({ code: 'ENOENT' }))
    expect(openDescriptors()).toBe(before)
    new HostExports([exportOf('one', 'a'), exportOf('two', 'b')]).close()
    expect(openDescriptors()).toBe(before)
  })
})
