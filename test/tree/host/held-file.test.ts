import {
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../../src/sys/errno.ts'
import { flags } from '../../../src/9p/index.ts'
import { openDescriptors, openFiles } from '../../support/descriptors.ts'
import { HostProbe } from '../../support/host-probe.ts'
import { temporaryDirectory } from '../../support/temporary.ts'

const MASK = 0x7ff
const LIMIT = 64

let root: string

beforeEach(() => {
  root = temporaryDirectory()
})

function path(name: string): string {
  return join(root, name)
}

function probe(): HostProbe {
  return new HostProbe(root, { descriptors: LIMIT })
}

/** What descriptors of this process stand for something in `root`. */
function held(): string[] {
  return openFiles()
    .filter((target) => target.startsWith(root))
    .map((target) => target.slice(root.length))
}

/** Makes the tree give back all that it can: others want its descriptors. */
function press(client: HostProbe): void {
  mkdirSync(path('pressure'), { recursive: true })
  for (let i = 0; i < 2 * LIMIT; i++) writeFileSync(path(`pressure/${i}`), '')
  const fids = Array.from({ length: 2 * LIMIT }, (_, i) => client.fid(`pressure/${i}`))
  client.settle()
  for (const fid of fids) client.call('clunk', { fid })
}

describe('fids beyond the number of descriptors', () => {
  it('all work, and still stand for the files that they were walked to', () => {
    for (let d = 0; d < 20; d++) {
      mkdirSync(path(`d${d}`))
      for (let f = 0; f < 50; f++) writeFileSync(path(`d${d}/f${f}`), `${d} ${f}`)
    }
    const before = openDescriptors()
    const client = probe()
    const files: { fid: number; name: string }[] = []
    for (let d = 0; d < 20; d++) {
      for (let f = 0; f < 50; f++) {
        const name = `d${d}/f${f}`
        files.push({ fid: client.fid(name), name })
      }
      client.settle()
      expect(openDescriptors()).toBeLessThanOrEqual(before + LIMIT)
    }
    for (const { fid, name } of files) {
      const { size, qid } = client.call('getattr', { fid, mask: MASK })
      expect([qid.path, size]).toEqual([BigInt(statSync(path(name)).ino), name.length - 2])
    }
    for (const { fid, name } of files.toReversed()) {
      client.call('lopen', { fid, flags: 0 })
      expect(client.read(fid).toString()).toBe(name.slice(1).replace('/f', ' '))
      client.call('clunk', { fid })
    }
    expect(openDescriptors()).toBeLessThanOrEqual(before + LIMIT)
  })

  it('are refused with EMFILE where all descriptors are open files, until one is closed', () => {
    for (let i = 0; i < LIMIT; i++) writeFileSync(path(`f${i}`), `${i}`)
    const client = probe()
    const fids = Array.from({ length: LIMIT }, (_, i) => client.fid(`f${i}`))
    const opened = fids.filter((fid) => client.errnoOf('lopen', { fid, flags: 0 }) === 0)
    // Two for each: the file's own, and the one that holds its node.
    expect(opened.length).toBeGreaterThan(LIMIT / 2 - 5)
    expect(opened.length).toBeLessThan(LIMIT / 2)
    const refused = fids.find((fid) => !opened.includes(fid))!
    expect(client.errnoOf('lopen', { fid: refused, flags: 0 })).toBe(errno.EMFILE)
    client.call('clunk', { fid: opened[0]! })
    expect(client.errnoOf('lopen', { fid: refused, flags: 0 })).toBe(0)
    expect(client.read(refused).toString()).toBe(`${fids.indexOf(refused)}`)
  })

  it('of one client do not affect another’s open files, and end with the client', () => {
    for (let i = 0; i < LIMIT; i++) writeFileSync(path(`f${i}`), `${i}`)
    writeFileSync(path('idle'), 'text')
    const greedy = probe()
    const other = new HostProbe(greedy.tree)
    const opened = other.opened('f7')
    const idle = other.fid('idle')
    const answers = Array.from({ length: LIMIT }, (_, i) =>
      greedy.errnoOf('lopen', { fid: greedy.fid(`f${i}`), flags: 0 }),
    )
    expect(answers.at(-1)).toBe(errno.EMFILE)
    // All that need a descriptor of their own have to wait for one.
    expect(other.errnoOf('lopen', { fid: idle, flags: 0 })).toBe(errno.EMFILE)
    expect(other.read(opened).toString()).toBe('7')
    expect(other.call('getattr', { fid: idle, mask: MASK }).size).toBe(4)
    greedy.session.close()
    other.call('lopen', { fid: idle, flags: 0 })
    expect(other.read(idle).toString()).toBe('text')
  })

  /** A fid of a directory so deep below others. */
  function deepFid(client: HostProbe, depth: number): number {
    const fids = [0]
    for (let i = 0; i < depth; i++) {
      const above = fids.at(-1)!
      client.call('mkdir', { dfid: above, name: 'd', mode: 0o755, gid: process.getgid!() })
      fids.push(5000 + i)
      client.call('walk', { fid: above, newfid: 5000 + i, names: ['d'] })
    }
    const deepest = fids.pop()!
    for (const fid of fids.slice(1)) client.call('clunk', { fid })
    return deepest
  }

  /** Removes what is deeper than a path may be long. */
  function removeDeep(): void {
    let top = path('d')
    for (let i = 0; ; i++) {
      const below = join(top, 'd/d/d/d/d/d/d/d/d/d'.slice(0, 2 * 400 - 1))
      try {
        renameSync(join(below, 'd'), path(`moved${i}`))
      } catch {
        rmSync(top, { recursive: true })
        break
      }
      rmSync(top, { recursive: true })
      top = path(`moved${i}`)
    }
  }

  it('may be of directories as deep as a guest likes', () => {
    const client = probe()
    const deepest = deepFid(client, 1000)
    press(client)
    expect(client.call('getattr', { fid: deepest, mask: MASK }).nlink).toBeGreaterThan(0)
    client.call('clunk', { fid: deepest })
    expect(held()).toEqual(['', '/pressure'].slice(0, held().length))
    removeDeep()
  })

  it('take no more than 2,048 steps down for one request, however deep a guest has made them', () => {
    const client = probe()
    const deepest = deepFid(client, 5000)
    press(client)
    const errors = [0, 1, 2].map(() => client.errnoOf('getattr', { fid: deepest, mask: MASK }))
    // The second and the third one go on where the one before has ended.
    expect(errors).toEqual([errno.ENAMETOOLONG, errno.ENAMETOOLONG, 0])
    removeDeep()
  })

  it('remember no more files than the limit, directories above them included', () => {
    const few = 50
    const client = new HostProbe(root, { files: few })
    client.fid('')
    const deep = (newfid: number): number => {
      client.call('walk', { fid: 0, newfid, names: [] })
      for (let depth = 0; depth < 2 * few; depth++) {
        const mkdir = { dfid: newfid, name: 'd', mode: 0o755, gid: process.getgid!() }
        const made = client.errnoOf('mkdir', mkdir)
        // What is made is a file that is remembered, for a moment at least: it is taken back.
        if (made === errno.ENFILE) return depth
        expect([0, errno.EEXIST]).toContain(made)
        const answer = client.errnoOf('walk', { fid: newfid, newfid, names: ['d'] })
        if (answer === errno.ENFILE) return depth
        expect(answer).toBe(0)
      }
      return 2 * few
    }
    // The root is one of them.
    expect(deep(700)).toBe(few - 1)
    expect(client.errnoOf('walk', { fid: 0, newfid: 701, names: ['d', 'd'] })).toBe(0)
    const before = openDescriptors()
    const create = { fid: 701, name: 'f', flags: 2, mode: 0o644, gid: process.getgid!() }
    expect(client.errnoOf('lcreate', create)).toBe(errno.ENFILE)
    expect(openDescriptors()).toBe(before)
    expect(readdirSync(path('d/d'))).toEqual(['d'])
    // One fid held all but the first of them.
    for (const fid of [700, 701]) client.call('clunk', { fid })
    expect(deep(702)).toBe(few - 1)
  })

  it('of one file have one descriptor', () => {
    writeFileSync(path('f'), '')
    const client = probe()
    for (let i = 0; i < 10; i++) client.fid('f')
    client.settle()
    expect(held().toSorted()).toEqual(['', '/f'])
  })
})

describe('a fid that has just been walked to', () => {
  it('has no descriptor until it has lived for a moment', () => {
    writeFileSync(path('f'), 'text')
    writeFileSync(path('g'), 'text')
    const client = probe()
    client.call('getattr', { fid: client.fid('f'), mask: MASK })
    client.call('clunk', { fid: client.fid('g') })
    expect(held()).toEqual([''])
    client.settle()
    expect(held().toSorted()).toEqual(['', '/f'])
  })

  it('is stale when the host replaces its file, and never stands for the new file', () => {
    writeFileSync(path('f'), 'old')
    const client = probe()
    const fid = client.fid('f')
    writeFileSync(path('g'), 'new')
    renameSync(path('g'), path('f'))
    expect(client.errnoOf('getattr', { fid, mask: MASK })).toBe(errno.ESTALE)
    expect(client.errnoOf('lopen', { fid, flags: 0 })).toBe(errno.ESTALE)
    unlinkSync(path('f'))
    expect(client.errnoOf('getattr', { fid, mask: MASK })).toBe(errno.ESTALE)
    mkdirSync(path('f'))
    expect(client.errnoOf('getattr', { fid, mask: MASK })).toBe(errno.ESTALE)
    // Who asks for the name gets what is there.
    expect(client.stat('f').qid.type).toBe(0x80)
    expect(client.errnoOf('getattr', { fid, mask: MASK })).toBe(errno.ESTALE)
  })
})

describe('a fid whose descriptor was given back', () => {
  it('stands for the same file after clients rename it and directories above it', () => {
    mkdirSync(path('a/b'), { recursive: true })
    mkdirSync(path('c'))
    writeFileSync(path('a/b/f'), 'text')
    const client = probe()
    const f = client.fid('a/b/f')
    const b = client.fid('a/b')
    press(client)
    const [a, c] = [client.fid('a'), client.fid('c')]
    client.call('renameat', { olddirfid: a, oldname: 'b', newdirfid: c, newname: 'bb' })
    press(client)
    expect(held().filter((name) => name.includes('/b'))).toEqual([])
    expect(client.call('getattr', { fid: f, mask: MASK }).size).toBe(4)
    client.call('renameat', { olddirfid: b, oldname: 'f', newdirfid: 0, newname: 'g' })
    press(client)
    client.call('lopen', { fid: f, flags: 0 })
    expect(client.read(f).toString()).toBe('text')
    // `..` follows.
    client.call('walk', { fid: b, newfid: 700, names: ['..'] })
    const above = client.call('getattr', { fid: 700, mask: MASK }).qid.path
    expect(above).toBe(client.stat('c').qid.path)
  })

  it('stands for the same file after a thousand renames by two clients', () => {
    const rounds = 999
    const names = ['x', 'y', 'z']
    for (const name of names) {
      mkdirSync(path(`d${name}`))
      writeFileSync(path(`d${name}/f`), name)
    }
    const one = probe()
    const two = new HostProbe(one.tree)
    const clients = [one, two]
    /** What each client has of each directory, and of the file in it. */
    const fids = clients.map((client) =>
      names.map((name) => ({
        name,
        directory: client.fid(`d${name}`),
        file: client.fid(`d${name}/f`),
      })),
    )
    const rename = (client: HostProbe, from: number, oldname: string, newname: string): void => {
      client.call('renameat', { olddirfid: from, oldname, newdirfid: 0, newname })
    }
    for (let i = 0; i < rounds; i++) {
      const client = clients[i % 2]!
      // All three names move on by one: what was remembered under a name is now under the next.
      rename(client, 0, 'dz', 'spare')
      rename(client, 0, 'dy', 'dz')
      rename(clients[(i + 1) % 2]!, 0, 'dx', 'dy')
      rename(client, 0, 'spare', 'dx')
      if (i % 100 === 99) press(one)
      if (i % 90 !== 0) continue
      for (const [which, some] of fids.entries()) {
        for (const { name, directory, file } of some) {
          const asking = clients[which]!
          asking.call('walk', { fid: file, newfid: 9000, names: [] })
          asking.call('lopen', { fid: 9000, flags: 0 })
          expect(asking.read(9000).toString()).toBe(name)
          asking.call('clunk', { fid: 9000 })
          const { qids } = asking.call('walk', {
            fid: directory,
            newfid: 9000,
            names: ['..', 'dx', 'f'],
          })
          asking.call('clunk', { fid: 9000 })
          expect(qids.at(-1)!.path).toBe(BigInt(statSync(path('dx/f')).ino))
        }
      }
    }
    // Nothing has lost its name: all can be given back.
    press(one)
    expect(held().filter((name) => name !== '/pressure')).toEqual([''])
    // 999 is a multiple of 3, so everything is where it was.
    for (const name of names) expect(readFileSync(path(`d${name}/f`), 'utf8')).toBe(name)
    expect(one.log).toEqual([])
  })

  it('lives on when a client removes or replaces its file', () => {
    for (const name of ['removed', 'replaced', 'other']) writeFileSync(path(name), name)
    mkdirSync(path('directory'))
    const client = probe()
    const [removed, replaced] = [client.fid('removed'), client.fid('replaced')]
    const directory = client.fid('directory')
    press(client)
    client.call('unlinkat', { dirfid: 0, name: 'removed', flags: 0 })
    client.call('unlinkat', { dirfid: 0, name: 'directory', flags: flags.AT_REMOVEDIR })
    const rename = { olddirfid: 0, oldname: 'other', newdirfid: 0, newname: 'replaced' }
    client.call('renameat', rename)
    press(client)
    expect(client.call('getattr', { fid: directory, mask: MASK }).nlink).toBe(0)
    for (const [fid, text] of [
      [removed, 'removed'],
      [replaced, 'replaced'],
    ] as const) {
      expect(client.call('getattr', { fid, mask: MASK }).nlink).toBe(0)
      client.call('lopen', { fid, flags: 0 })
      expect(client.read(fid).toString()).toBe(text)
    }
    expect(client.read(client.opened('replaced')).toString()).toBe('other')
  })

  it('stands for the same file when removing or renaming fails', () => {
    mkdirSync(path('full/x'), { recursive: true })
    mkdirSync(path('d'))
    const client = probe()
    const full = client.fid('full')
    const d = client.fid('d')
    const unlink = { dirfid: 0, name: 'full', flags: flags.AT_REMOVEDIR }
    expect(client.errnoOf('unlinkat', unlink)).toBe(errno.ENOTEMPTY)
    const rename = { olddirfid: 0, oldname: 'd', newdirfid: 0, newname: 'full' }
    expect(client.errnoOf('renameat', rename)).toBe(errno.ENOTEMPTY)
    press(client)
    expect(held().filter((name) => name !== '/pressure')).toEqual([''])
    expect(client.call('getattr', { fid: full, mask: MASK }).qid.path).toBe(
      client.stat('full').qid.path,
    )
    expect(client.call('getattr', { fid: d, mask: MASK }).qid.path).toBe(client.stat('d').qid.path)
  })

  it('keeps its name when a rename does nothing, because both names are hard links of one file', () => {
    writeFileSync(path('f'), 'text')
    linkSync(path('f'), path('g'))
    const client = probe()
    const [f, g] = [client.fid('f'), client.fid('g')]
    for (const newname of ['f', 'g']) {
      client.call('renameat', { olddirfid: 0, oldname: 'f', newdirfid: 0, newname })
    }
    press(client)
    for (const fid of [f, g]) expect(client.call('getattr', { fid, mask: MASK }).nlink).toBe(2)
  })

  it('is stale after the host has replaced its file, also by one with the same inode number', () => {
    writeFileSync(path('f'), 'old')
    const client = probe()
    const fid = client.fid('f')
    const { ino } = statSync(path('f'))
    press(client)
    for (let i = 0; i < 100; i++) {
      unlinkSync(path('f'))
      writeFileSync(path('f'), 'new')
      if (statSync(path('f')).ino === ino) break
    }
    expect(client.errnoOf('getattr', { fid, mask: MASK })).toBe(errno.ESTALE)
    expect(client.errnoOf('lopen', { fid, flags: 0 })).toBe(errno.ESTALE)
    expect(client.errnoOf('setattr', { fid, valid: 1, mode: 0, ...nothing })).toBe(errno.ESTALE)
    expect(statSync(path('f')).mode & 0o777).toBe(0o644)
  })

  it('does not hang where host and client move directories into each other', () => {
    mkdirSync(path('a/b/c'), { recursive: true })
    const client = probe()
    const [a, b, c] = [client.fid('a'), client.fid('a/b'), client.fid('a/b/c')]
    client.settle()
    // What is remembered: b lies in a. What the host makes of it: a will lie in b.
    renameSync(path('a/b'), path('b'))
    client.call('renameat', { olddirfid: 0, oldname: 'a', newdirfid: b, newname: 'a' })
    expect(readdirSync(path('b')).toSorted()).toEqual(['a', 'c'])
    press(client)
    for (const fid of [a, b, c]) {
      expect([0, errno.ESTALE]).toContain(client.errnoOf('getattr', { fid, mask: MASK }))
      client.call('clunk', { fid })
    }
    rmdirSync(path('b/a'))
    expect(held().filter((name) => name !== '' && name !== '/pressure')).toEqual([])
  })
})

const nothing = {
  uid: 0,
  gid: 0,
  size: 0,
  atimeSec: 0,
  atimeNsec: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
}
