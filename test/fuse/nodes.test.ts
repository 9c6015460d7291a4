import {
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { clientMemory, heapBytes } from '../../src/session/client-memory.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { FuseProbe } from '../support/fuse/fuse-probe.ts'
import { FuseHostProbe } from '../support/fuse/host-probe.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const MEMORY = 1 << 20
/** More than any number of lookups. */
const EVER_SO_MANY = 2 ** 52

function stands(probe: FuseProbe, nodeid: number): boolean {
  return probe.errnoOf('getattr', {}, { nodeid }) === 0
}

describe('a node', () => {
  let tree: FakeTree
  let probe: FuseProbe

  beforeEach(() => {
    tree = new FakeTree()
    probe = new FuseProbe(tree)
  })

  it('has one number, however often it is looked up', () => {
    const first = probe.node('file')
    expect([probe.node('file'), probe.node('dir/..'), tree.uses]).toEqual([first, 1, 3])
  })

  it('stays until the client has forgotten each lookup', () => {
    const nodeid = probe.node('file')
    probe.node('file')
    probe.node('file')
    probe.tell('forget', { count: 2 }, nodeid)
    expect([stands(probe, nodeid), tree.uses]).toEqual([true, 2])
    probe.tell('forget', { count: 1 }, nodeid)
    expect([stands(probe, nodeid), tree.uses, tree.faults]).toEqual([false, 1, []])
  })

  it('is gone where more is forgotten than was looked up, and nothing is released twice', () => {
    const nodeid = probe.node('file')
    probe.tell('forget', { count: EVER_SO_MANY }, nodeid)
    probe.tell('forget', { count: 1 }, nodeid)
    expect([stands(probe, nodeid), tree.uses, tree.faults]).toEqual([false, 1, []])
  })

  it('stays where nothing of it is forgotten', () => {
    const nodeid = probe.node('file')
    probe.tell('forget', { count: 0 }, nodeid)
    expect(stands(probe, nodeid)).toBe(true)
  })

  it('is forgotten together with others', () => {
    const [file, dir, inner] = [probe.node('file'), probe.node('dir'), probe.node('dir/inner')]
    probe.tell('batchForget', {
      nodes: [
        { nodeid: file, count: 1 },
        { nodeid: 4711, count: 1 },
        { nodeid: dir, count: 1 },
        { nodeid: inner, count: 7 },
        { nodeid: 0, count: 1 },
        { nodeid: inner, count: 1 },
      ],
    })
    // `dir` was looked up twice.
    expect([file, dir, inner].map((nodeid) => stands(probe, nodeid))).toEqual([false, true, false])
    expect([tree.uses, tree.faults]).toEqual([2, []])
  })

  it('that is not known is ESTALE, and is forgotten without a word', () => {
    for (const nodeid of [0, 2, 4711, 2 ** 53]) {
      expect(probe.errnoOf('getattr', {}, { nodeid })).toBe(errno.ESTALE)
      expect(probe.errnoOf('lookup', { name: 'file' }, { nodeid })).toBe(errno.ESTALE)
      probe.tell('forget', { count: 1 }, nodeid)
    }
    expect(probe.log).toEqual([])
  })

  it('that is the root is never forgotten', () => {
    probe.node('dir/..')
    probe.tell('forget', { count: EVER_SO_MANY }, 1)
    probe.tell('batchForget', { nodes: [{ nodeid: 1, count: EVER_SO_MANY }] })
    expect([stands(probe, 1), tree.uses, tree.faults]).toEqual([true, 2, []])
  })

  it('has a number that none had before', () => {
    const numbers = [1, 2, 3].map(() => {
      const nodeid = probe.node('file')
      probe.tell('forget', { count: 1 }, nodeid)
      return nodeid
    })
    expect(new Set(numbers).size).toBe(3)
  })

  it('may be forgotten while its file is open, which can still be read', () => {
    const nodeid = probe.node('file')
    const fh = probe.open(nodeid)
    probe.tell('forget', { count: 1 }, nodeid)
    expect(probe.read(fh)).toBe('hello')
    expect(probe.errnoOf('getattr', { flags: 1, fh }, { nodeid })).toBe(errno.ESTALE)
    expect(probe.errnoOf('statx', { flags: 1, fh }, { nodeid })).toBe(errno.ESTALE)
    probe.call('release', { fh }, { nodeid })
    expect([tree.uses, tree.openFiles, tree.faults]).toEqual([1, 0, []])
  })

  it('beyond the limit is ENFILE, which is logged once', () => {
    probe = new FuseProbe(tree, { limits: { fids: 3 } })
    const [file, dir] = [probe.node('file'), probe.node('dir')]
    expect(probe.errnoOf('lookup', { name: 'link' })).toBe(errno.ENFILE)
    expect(probe.errnoOf('lookup', { name: 'big' })).toBe(errno.ENFILE)
    expect(probe.node('file')).toBe(file)
    expect(probe.log).toEqual([expect.stringContaining('its limit of 3 fids')])
    probe.tell('forget', { count: 1 }, dir)
    expect(probe.node('link')).toBeGreaterThan(dir)
  })

  it('is not made where there is no number for it', () => {
    probe = new FuseProbe(tree, { limits: { fids: 2 } })
    probe.node('file')
    tree.calls.length = 0
    const refused = [
      probe.errnoOf('mkdir', { name: 'new' }),
      probe.errnoOf('mknod', { name: 'new', mode: 0o100644 }),
      probe.errnoOf('symlink', { name: 'new', target: 'target' }),
      probe.errnoOf('create', { name: 'new' }),
    ]
    expect(refused).toEqual([errno.ENFILE, errno.ENFILE, errno.ENFILE, errno.ENFILE])
    expect(tree.calls.filter((call) => /^(?:mk|symlink|create)/.test(call))).toEqual([])
  })

  it('counts as memory of all clients, which comes back', () => {
    probe = new FuseProbe(tree, { limits: { memory: MEMORY } })
    const memory = clientMemory(tree, MEMORY)
    const most = memory.left
    const nodeid = probe.node('file')
    const fh = probe.open(nodeid)
    expect(memory.left).toBe(most - 2 * heapBytes.fid)
    probe.call('release', { fh }, { nodeid })
    probe.tell('forget', { count: 1 }, nodeid)
    expect(memory.left).toBe(most)
    probe.node('dir/inner')
    probe.open(probe.node('file'))
    probe.session.close()
    // The root counts as well.
    expect(memory.left).toBe(most + heapBytes.fid)
  })

  it('of a session is none in another', () => {
    const other = new FuseProbe(tree)
    const nodeid = probe.node('file')
    expect([stands(probe, nodeid), stands(other, nodeid)]).toEqual([true, false])
  })
})

describe('a node of a host’s file', () => {
  let directory: string
  let probe: FuseHostProbe

  const path = (name: string): string => join(directory, name)

  beforeEach(() => {
    directory = temporaryDirectory()
    writeFileSync(path('file'), 'content')
    mkdirSync(path('folder'))
    probe = new FuseHostProbe(directory)
  })

  it('has one number for all of its names that were looked up since there are several', () => {
    linkSync(path('file'), path('folder/twin'))
    const file = probe.node('file')
    expect(probe.node('folder/twin')).toBe(file)
    expect(probe.lookup('file').attributes.nlink).toBe(2)
    expect(probe.session.nodes.get(file).lookups).toBe(3)
  })

  it('keeps its number where the client makes another name', () => {
    const file = probe.node('file')
    const { entry } = probe.call('link', { oldnodeid: file, name: 'twin' })
    expect([entry.nodeid, entry.attributes.nlink, probe.node('twin')]).toEqual([file, 2, file])
    expect(statSync(path('twin')).ino).toBe(statSync(path('file')).ino)
  })

  it('keeps its number by its last name, when the others are gone', () => {
    const file = probe.node('file')
    probe.call('link', { oldnodeid: file, name: 'twin' })
    probe.call('unlink', { name: 'file' })
    expect(probe.lookup('twin').attributes.nlink).toBe(1)
    expect(probe.node('twin')).toBe(file)
    expect(probe.call('getattr', {}, { nodeid: file }).attributes.attributes.nlink).toBe(1)
  })

  it('gets another number where its inode is used again', () => {
    linkSync(path('file'), path('twin'))
    const before = probe.node('file')
    const { ino } = statSync(path('file'))
    unlinkSync(path('file'))
    unlinkSync(path('twin'))
    // Some file systems use an inode number again at once. On others it is another file anyway.
    for (let i = 0; i < 100; i++) {
      writeFileSync(path(`again ${i}`), '')
      if (statSync(path(`again ${i}`)).ino === ino) break
    }
    const numbers = probe.names().map((name) => probe.node(name))
    expect(numbers).not.toContain(before)
    expect(probe.errnoOf('open', {}, { nodeid: before })).toBe(errno.ESTALE)
  })

  it('gets another number where another file has its name now', () => {
    const before = probe.node('file')
    writeFileSync(path('other'), 'another')
    renameSync(path('other'), path('file'))
    expect(probe.node('file')).not.toBe(before)
  })

  it('keeps its number where the client renames it, also below a directory', () => {
    writeFileSync(path('folder/inner'), '')
    const [folder, inner] = [probe.node('folder'), probe.node('folder/inner')]
    probe.call('rename', { newdir: 1, oldname: 'folder', newname: 'moved' })
    expect([probe.node('moved'), probe.node('moved/inner')]).toEqual([folder, inner])
    probe.call('rename', { newdir: folder, oldname: 'file', newname: 'inner' })
    expect(probe.call('getattr', {}, { nodeid: inner }).attributes.attributes.nlink).toBe(0)
  })

  it('is the same file after its descriptor was given back', () => {
    probe = new FuseHostProbe(directory, { descriptors: 16 })
    for (let i = 0; i < 100; i++) writeFileSync(path(`${i}`), `${i}`)
    const before = openDescriptors()
    const nodes = Array.from({ length: 100 }, (_, i) => probe.node(`${i}`))
    probe.settle()
    expect(openDescriptors()).toBeLessThanOrEqual(before + 16)
    for (const [i, nodeid] of nodes.entries()) {
      const fh = probe.open(nodeid)
      expect(probe.read(fh)).toBe(`${i}`)
      probe.call('release', { fh }, { nodeid })
    }
    rmSync(path('7'))
    expect(probe.errnoOf('getattr', {}, { nodeid: nodes[7]! })).toBe(errno.ESTALE)
  })

  it('that was forgotten while its file was open leaves no descriptor', () => {
    const before = openDescriptors()
    const nodeid = probe.node('folder/..')
    const file = probe.node('file')
    const fh = probe.open(file)
    probe.tell('forget', { count: 1 }, file)
    probe.errnoOf('getattr', { flags: 1, fh }, { nodeid: file })
    probe.call('release', { fh }, { nodeid })
    probe.call('init', { major: 7, minor: 39 })
    expect(openDescriptors()).toBe(before)
  })
})
