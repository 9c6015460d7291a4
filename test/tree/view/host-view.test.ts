import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../../src/sys/errno.ts'
import { HostProbe } from '../../support/host-probe.ts'
import { errnoOf } from '../../support/errors.ts'
import { openDescriptors } from '../../support/descriptors.ts'
import { temporaryDirectory } from '../../support/temporary.ts'

let shared: string
const gid = 0

beforeEach(() => {
  shared = temporaryDirectory()
})

function files(...paths: readonly string[]): void {
  for (const path of paths) {
    mkdirSync(join(shared, dirname(path)), { recursive: true })
    writeFileSync(join(shared, path), path)
  }
}

/** Moves a name, as renameat2(2) through the Linux client does. */
function move(probe: HostProbe, from: string, to: string): number {
  const place = (path: string): [number, string] => [
    probe.fid(dirname(path) === '.' ? '' : dirname(path)),
    path.slice(path.lastIndexOf('/') + 1),
  ]
  const [olddirfid, oldname] = place(from)
  const [newdirfid, newname] = place(to)
  return probe.errnoOf('renameat', { olddirfid, oldname, newdirfid, newname })
}

const found = (probe: HostProbe, path: string): number => errnoOf(() => probe.fid(path))

describe('a view of a host directory', () => {
  it('is a closure of a store', () => {
    const names = Array.from({ length: 3000 }, (_, i) => `${i}-package`)
    for (const name of names) mkdirSync(join(shared, 'nix/store', name), { recursive: true })
    files('nix/store/7-package/bin/sh', 'nix/var/db', 'etc/passwd')
    const closure = names.filter((_, i) => i % 100 === 7)
    const only = closure.map((name) => `/nix/store/${name}`)
    const probe = new HostProbe(shared, { only })
    expect([probe.names(''), probe.names('nix')]).toEqual([['nix'], ['store']])
    expect(probe.names('nix/store')).toEqual(closure.toSorted())
    expect(probe.read(probe.opened('nix/store/7-package/bin/sh')).toString()).toContain('bin/sh')
    for (const path of ['etc', 'nix/var', 'nix/store/8-package', 'nix/store/7-package/../../var']) {
      expect(found(probe, path)).toBe(errno.ENOENT)
    }
    const fid = probe.opened('nix/store')
    const dots = probe.entries(fid).filter(({ name }) => name === '.' || name === '..')
    expect(dots.length).toBe(2)
  })

  it('does not follow where a symlink leads, nor shows one that leads to what matches', () => {
    files('real/secret')
    symlinkSync('real', join(shared, 'link'))
    const probe = new HostProbe(shared, { only: ['link/secret'] })
    expect([probe.names(''), found(probe, 'link')]).toEqual([[], errno.ENOENT])
  })

  it('takes new files where they are shown', () => {
    files('etc/ssl/cert', 'etc/shadow')
    const probe = new HostProbe(shared, { only: ['etc/ssl', '**/*.log'] })
    probe.write(probe.create('etc/ssl', 'new'), 0, 'text')
    probe.write(probe.create('', 'my.log'), 0, 'text')
    probe.call('mkdir', { dfid: 0, name: 'var', mode: 0o755, gid })
    probe.write(probe.create('var', 'a.log'), 0, 'text')
    expect(readFileSync(join(shared, 'var/a.log'), 'utf8')).toBe('text')
    expect(errnoOf(() => probe.create('var', 'a.txt'))).toBe(errno.EPERM)
    // There already, or not: the answer is the same.
    expect(errnoOf(() => probe.create('etc', 'shadow'))).toBe(errno.EPERM)
    expect(errnoOf(() => probe.create('etc', 'shadow2'))).toBe(errno.EPERM)
    expect(readFileSync(join(shared, 'etc/shadow'), 'utf8')).toBe('etc/shadow')
    expect(probe.names('')).toEqual(['etc', 'my.log', 'var'])
  })

  it('removes what is shown, and no directory in which something is hidden', () => {
    files('a/.git/config', 'b/x')
    const probe = new HostProbe(shared, { hide: ['**/.git'] })
    expect(probe.names('a')).toEqual([])
    const remove = (name: string, dirfid = 0): number =>
      probe.errnoOf('unlinkat', { dirfid, name, flags: 0x200 })
    expect([remove('a'), remove('.git', probe.fid('a'))]).toEqual([errno.ENOTEMPTY, errno.ENOENT])
    probe.call('remove', { fid: probe.fid('b/x') })
    expect([remove('b'), readdirSync(shared)]).toEqual([0, ['a']])
  })

  it('opens a directory that create finds there as it would any', () => {
    files('d/secret', 'd/open')
    const probe = new HostProbe(shared, { hide: ['d/secret'] })
    const fid = probe.create('', 'd', 0, 0)
    expect(
      probe
        .entries(fid)
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(['.', '..', 'open'])
  })

  it('gives every descriptor back', () => {
    files('a/b/c', 'a/x')
    const before = openDescriptors()
    const probe = new HostProbe(shared, { only: ['a/b'], hide: ['**/y'] })
    for (const path of ['a', 'a/b', 'a/b/c']) probe.opened(path)
    probe.settle()
    move(probe, 'a/b/c', 'a/b/d')
    expect(move(probe, 'a/b', 'a/c')).toBe(errno.EPERM)
    probe.session.close()
    // The root's, and that of /proc/self/fd.
    expect(openDescriptors()).toBe(before + 2)
  })
})

describe('a rename in a view', () => {
  it('moves a directory where the same is shown of it', () => {
    files('a/d/.git/x', 'a/d/file', 'b/x')
    const probe = new HostProbe(shared, { hide: ['**/.git'] })
    const inside = probe.fid('a/d')
    expect(move(probe, 'a/d', 'b/e')).toBe(0)
    expect(existsSync(join(shared, 'b/e/.git/x'))).toBe(true)
    expect(probe.names('b/e')).toEqual(['file'])
    const walked = { fid: inside, newfid: 900, names: ['.git'] }
    expect(probe.errnoOf('walk', walked)).toBe(errno.ENOENT)
  })

  it('moves no directory where more or less would be shown of it', () => {
    files('a/d/secret', 'a/d/file', 'b/x', 'shown/x', 'part/x')
    const probe = new HostProbe(shared, { hide: ['a/*/secret'] })
    expect(move(probe, 'a/d', 'b/d')).toBe(errno.EXDEV)
    expect(move(probe, 'b', 'a/b')).toBe(errno.EXDEV)
    expect(move(probe, 'b', 'a/secret')).toBe(errno.EXDEV)
    expect(move(probe, 'a', 'c')).toBe(errno.EXDEV)
    expect(move(probe, 'a/d', 'a/e')).toBe(0)
    expect(move(probe, 'b', 'c')).toBe(0)
    const other = new HostProbe(shared, { only: ['shown', 'part/x', 'new'] })
    expect(move(other, 'part', 'new')).toBe(errno.EXDEV)
    expect(move(other, 'part', 'other')).toBe(errno.EPERM)
    expect(move(other, 'shown', 'new')).toBe(0)
    expect(other.names('')).toEqual(['new', 'part'])
  })

  it('moves a file to any name that is shown', () => {
    files('a/x', 'b/secret')
    const probe = new HostProbe(shared, { hide: ['*/secret'] })
    const fid = probe.fid('a/x')
    expect(move(probe, 'a/x', 'top')).toBe(0)
    expect(probe.errnoOf('rename', { fid, dfid: probe.fid('b'), name: 'secret' })).toBe(errno.EPERM)
    expect(probe.errnoOf('rename', { fid, dfid: probe.fid('b'), name: 'y' })).toBe(0)
    expect(readdirSync(join(shared, 'b')).toSorted()).toEqual(['secret', 'y'])
    expect(readFileSync(join(shared, 'b/secret'), 'utf8')).toBe('b/secret')
    // It goes where it lies now, and its names are those of its place.
    probe.call('remove', { fid })
    expect(readdirSync(join(shared, 'b'))).toEqual(['secret'])
  })

  it('leaves nothing to be seen through ..', () => {
    files('a/d/file', 'b/secret', 'b/open')
    const probe = new HostProbe(shared, { hide: ['b/secret'] })
    const inside = probe.fid('a/d')
    expect(move(probe, 'a/d', 'b/d')).toBe(0)
    const above = 900
    probe.call('walk', { fid: inside, newfid: above, names: ['..'] })
    const walked = { fid: above, newfid: 901, names: ['secret'] }
    expect(probe.errnoOf('walk', walked)).toBe(errno.ENOENT)
    probe.call('lopen', { fid: above, flags: 0 })
    const names = probe.entries(above).map(({ name }) => name)
    expect(names.toSorted()).toEqual(['.', '..', 'd', 'open'])
    // Also from a place that was never walked to before, in the other direction.
    const back = { fid: inside, newfid: 902, names: ['..', '..', 'a', '..', 'b', 'open'] }
    expect(probe.call('walk', back).qids.length).toBe(6)
  })

  it('keeps hidden what the host moves away', () => {
    files('a/d/x', 'hidden/x')
    const probe = new HostProbe(shared, { hide: ['hidden'] })
    const fid = probe.fid('a/d')
    probe.settle()
    renameSync(join(shared, 'a/d'), join(shared, 'hidden/d'))
    expect(found(probe, 'a/d')).toBe(errno.ENOENT)
    expect(probe.errnoOf('remove', { fid })).toBe(errno.ESTALE)
    expect(existsSync(join(shared, 'hidden/d/x'))).toBe(true)
  })

  it('links what is shown to names that are', () => {
    files('a/x')
    const probe = new HostProbe(shared, { only: ['a', 'b'] })
    const fid = probe.fid('a/x')
    probe.call('link', { dfid: 0, fid, name: 'b' })
    expect(probe.errnoOf('link', { dfid: 0, fid, name: 'c' })).toBe(errno.EPERM)
    expect(readdirSync(shared).toSorted()).toEqual(['a', 'b'])
  })
})
