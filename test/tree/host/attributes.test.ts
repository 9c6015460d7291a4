// First of all: it must be there before anything of src/ is loaded.
import { libc } from '../../faults/faulty-libc.mjs'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { Attributes } from '../../../src/tree/attributes.ts'
import { modes, openFlags } from '../../../src/tree/flags.ts'
import { namesOf } from '../../../src/tree/groups.ts'
import { HostTree } from '../../../src/tree/host/host-tree.ts'
import { constantFile, directory as folder } from '../../../src/tree/synthetic/entry.ts'
import { SyntheticTree } from '../../../src/tree/synthetic/synthetic-tree.ts'
import type { Node, OpenDirectory, Tree } from '../../../src/tree/tree.ts'
import { viewOf } from '../../../src/tree/view/view-tree.ts'
import { afterwards, mountTmpfs, temporaryDirectory } from '../../support/temporary.ts'

let directory: string

beforeEach(() => {
  directory = temporaryDirectory()
  mkdirSync(join(directory, 'dir'))
  writeFileSync(join(directory, 'file'), 'some text')
  symlinkSync('file', join(directory, 'link'))
})

function hostTree(owner: 'host' | 'mapped-xattr'): Tree {
  // In an hour, when its files are old (births.ts).
  const now = (): number => Date.now() + 3_600_000
  const policy = { readOnly: false, owner, atime: 'preserve' } as const
  const tree = new HostTree(directory, policy, undefined, undefined, now)
  afterwards(() => tree.close())
  return tree
}

const trees: Readonly<Record<string, () => Tree>> = {
  host: () => hostTree('host'),
  'mapped-xattr': () => hostTree('mapped-xattr'),
  view: () => viewOf(hostTree('host'), { hide: ['hidden'] }),
  synthetic: () =>
    new SyntheticTree(folder({ dir: folder(), file: constantFile(() => Buffer.from('text')) })),
}

function rootOf(tree: Tree): Node {
  const { node } = tree.attach('')
  afterwards(() => node.release())
  return node
}

/** What a node's getattr says, after checking that its identity says the same. */
function stated(node: Node): Attributes {
  const attributes = new Attributes()
  node.getattr(attributes)
  const { type, ino, version } = attributes
  expect({ type: node.type, ino: node.ino, version: node.version }).toEqual({ type, ino, version })
  expect(node.isDirectory).toBe(type === modes.DIRECTORY)
  return attributes
}

/** Values of another file, all of which must be overwritten. */
function soiled(): Attributes {
  const attributes = new Attributes()
  for (const name of Object.keys(attributes)) Object.assign(attributes, { [name]: 77 })
  return attributes
}

/** The node that `act` returns says in getattr what it has filled in. */
function expectFilled(act: (attributes: Attributes) => Node): void {
  const attributes = soiled()
  const node = act(attributes)
  expect(attributes).toEqual(stated(node))
  node.release()
}

describe.each(Object.keys(trees))(
  'the attributes that a lookup gives, in a tree of kind %s',
  (kind) => {
    it('are those of getattr, at the first look and later', () => {
      const root = rootOf(trees[kind]!())
      for (const name of ['dir', 'file', 'dir']) {
        expectFilled((attributes) => root.lookup(name, attributes))
        const kept = root.lookup(name, null)
        expectFilled((attributes) => root.lookup(name, attributes))
        kept.release()
      }
      const dir = root.lookup('dir', null)
      expectFilled((attributes) => dir.lookup('..', attributes))
      dir.release()
    })
  },
)

describe.each(['host', 'mapped-xattr', 'view'])(
  'the attributes of what was made, in a tree of kind %s',
  (kind) => {
    it('are those of getattr', () => {
      const root = rootOf(trees[kind]!())
      const names = namesOf(root)
      const owner = { uid: 0, gid: 0 }
      expectFilled((attributes) => names.mkdir('d', 0o750, owner, attributes))
      expectFilled((attributes) => names.symlink('s', 'target', owner, attributes))
      const none = { major: 0, minor: 0 }
      expectFilled((attributes) => names.mknod('p', modes.FIFO | 0o640, none, owner, attributes))
      for (const flags of [openFlags.RDWR | openFlags.EXCL, openFlags.RDWR]) {
        expectFilled((attributes) => {
          const { node, file } = names.create('f', flags, 0o600, owner, attributes)
          file.close()
          return node
        })
      }
      expect(['d', 's', 'p', 'f'].map((name) => root.lookup(name, null).type)).toEqual([
        modes.DIRECTORY,
        modes.SYMLINK,
        modes.FIFO,
        modes.FILE,
      ])
    })
  },
)

describe('a lookup', () => {
  it('takes one system call, with its attributes and without', () => {
    const root = rootOf(hostTree('host'))
    for (const attributes of [null, new Attributes(), null, new Attributes()]) {
      libc.calls = []
      const node = root.lookup('file', attributes)
      expect(libc.calls).toEqual(['statx'])
      node.release()
    }
  })

  it('says of a mount point what is mounted there', () => {
    mountTmpfs(join(directory, 'mounted'))
    const root = rootOf(hostTree('host'))
    expectFilled((attributes) => root.lookup('mounted', attributes))
    const kept = root.lookup('mounted', null)
    expectFilled((attributes) => root.lookup('mounted', attributes))
    kept.release()
  })
})

describe('a directory', () => {
  it('is read further ahead while its visitor passes over all that it is shown', () => {
    for (let i = 0; i < 2000; i++) writeFileSync(join(directory, 'dir', `hidden-${i}`), '')
    const root = rootOf(hostTree('host'))
    const opened = root.lookup('dir', null).open(0, 0) as OpenDirectory
    let visited = 0
    libc.calls = []
    opened.readdir(0n, { room: 40, visit: () => ++visited > 0 })
    expect(visited).toBe(2002)
    // 64 KiB of entries; 280 bytes at a time would be 240 calls.
    expect(libc.calls.filter((call) => call === 'getdents64').length).toBeLessThan(12)
    opened.close()
  })
})
