import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  mkdirSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { HostProbe } from '../support/host-probe.ts'
import { afterwards, mountOverlay, temporaryDirectory } from '../support/temporary.ts'

/**
 * A program of the host that removes a file for which a fid stands, and makes another with the same inode number. File systems
 * use the numbers of removed files again, some at once.
 */
const ROUNDS = 200
const MASK = 0x7ff
const LIMIT = 64

let root: string

beforeEach(() => {
  root = join(temporaryDirectory(), 'root')
})

function path(name: string): string {
  return join(root, name)
}

/** A session whose tree knows how young files are. */
function probe(): HostProbe {
  return new HostProbe(root, { descriptors: LIMIT }, undefined, { now: Date.now })
}

/** What the fid's file has in it, or the errno of the request that fails. */
function content(client: HostProbe, fid: number): string | number {
  const refused = client.errnoOf('lopen', { fid, flags: 0 })
  return refused === 0 ? client.read(fid).toString() : refused
}

/** Fids of files that are replaced as soon as they were walked to, and what they stand for afterwards. */
function replaced(client: HostProbe, directory: string): Set<string | number> {
  const found = new Set<string | number>()
  for (let i = 0; i < ROUNDS; i++) {
    const name = `${directory}f${i}`
    writeFileSync(path(name), 'old')
    const fid = client.fid(name)
    unlinkSync(path(name))
    writeFileSync(path(name), 'new')
    found.add(content(client, fid))
    client.call('clunk', { fid })
  }
  return found
}

/** Makes the tree give back all descriptors that it can. */
function press(client: HostProbe): void {
  mkdirSync(path('pressure'), { recursive: true })
  for (let i = 0; i < 2 * LIMIT; i++) writeFileSync(path(`pressure/${i}`), '')
  for (let i = 0; i < 2 * LIMIT; i++) client.stat(`pressure/${i}`)
  const fids = Array.from({ length: 2 * LIMIT }, (_, i) => client.fid(`pressure/${i}`))
  client.settle()
  for (const fid of fids) client.call('clunk', { fid })
}

describe('a fid never becomes another file with the same inode number', () => {
  it('on the file system of this directory, also within one tick of the clock', () => {
    mkdirSync(root)
    expect(replaced(probe(), '')).not.toContain('new')
  })

  it('on overlayfs', () => {
    mountOverlay(root)
    expect(replaced(probe(), '')).not.toContain('new')
  })

  it('on a file system that is mounted in an overlayfs', () => {
    mountOverlay(root)
    const other = temporaryDirectory()
    mkdirSync(path('mounted'))
    execFileSync('mount', ['--bind', other, path('mounted')])
    afterwards(() => execFileSync('umount', ['--lazy', path('mounted')]))
    expect(replaced(probe(), 'mounted/')).not.toContain('new')
  })

  it('when its descriptor was given back before', () => {
    mountOverlay(root)
    const client = probe()
    const names = Array.from({ length: ROUNDS }, (_, i) => `f${i}`)
    for (const name of names) writeFileSync(path(name), 'old')
    const fids = names.map((name) => client.fid(name))
    press(client)
    const numbers = new Set(names.map((name) => statSync(path(name)).ino))
    for (const name of names) unlinkSync(path(name))
    for (const name of names) writeFileSync(path(name), 'new')
    // Otherwise this file system shows nothing.
    expect(names.some((name) => numbers.has(statSync(path(name)).ino))).toBe(true)
    const found = new Set(fids.map((fid) => content(client, fid)))
    expect(found).not.toContain('new')
    expect(found).toContain(errno.ESTALE)
    // Who asks for the name gets what is there.
    for (const name of names) {
      const fid = client.fid(name)
      expect(content(client, fid)).toBe('new')
      client.call('clunk', { fid })
    }
  })

  it('when its session goes on in another server', () => {
    mountOverlay(root)
    const client = probe()
    const names = Array.from({ length: ROUNDS }, (_, i) => `d${i}`)
    for (const name of names) mkdirSync(path(name))
    const fids = names.map((name) => client.fid(name))
    const kept = client.fid('d0')
    renameSync(path('d0'), path('kept'))
    client.call('walk', { fid: 0, newfid: 900, names: ['kept'] })
    const saved = client.session.save()
    client.session.close()
    const same = names.slice(1).filter((name) => {
      const { ino } = statSync(path(name))
      rmdirSync(path(name))
      mkdirSync(path(name))
      return statSync(path(name)).ino === ino
    })
    // Otherwise this file system shows nothing.
    expect(same).not.toEqual([])
    const next = new HostProbe(client.tree, {}, undefined, { saved })
    const answers = fids.map((fid) => next.errnoOf('getattr', { fid, mask: MASK }))
    expect(new Set(answers)).toEqual(new Set([errno.ESTALE]))
    expect(next.errnoOf('getattr', { fid: kept, mask: MASK })).toBe(errno.ESTALE)
    expect(next.errnoOf('getattr', { fid: 900, mask: MASK })).toBe(0)
  })
})

describe('on overlayfs a fid whose descriptor was given back', () => {
  it('stands for its file, also after the host has changed a file of the lower layer', () => {
    const lower = mountOverlay(root)
    const names = Array.from({ length: 10 }, (_, i) => `f${i}`)
    mkdirSync(join(lower, 'd'))
    for (const name of names) writeFileSync(join(lower, 'd', name), 'text')
    const client = probe()
    const fids = names.map((name) => client.fid(`d/${name}`))
    press(client)
    for (const name of names) appendFileSync(path(`d/${name}`), ' and more')
    for (const fid of fids) expect(content(client, fid)).toBe('text and more')
  })

  it('stands for its directory after a client renames it', () => {
    mountOverlay(root)
    mkdirSync(path('a/b'), { recursive: true })
    writeFileSync(path('a/b/f'), 'text')
    const client = probe()
    const f = client.fid('a/b/f')
    const a = client.fid('a')
    press(client)
    client.call('renameat', { olddirfid: a, oldname: 'b', newdirfid: 0, newname: 'c' })
    press(client)
    expect(content(client, f)).toBe('text')
  })
})
