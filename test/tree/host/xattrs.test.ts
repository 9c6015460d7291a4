import { existsSync, symlinkSync, writeFileSync, mkdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../../src/sys/errno.ts'
import { flags } from '../../../src/9p/index.ts'
import { shownNames } from '../../../src/tree/host/xattrs.ts'
import { HostProbe } from '../../support/host-probe.ts'
import { needsRoot, temporaryDirectory } from '../../support/temporary.ts'

const { CREATE, REPLACE } = flags.xattr

let directory: string
let probe: HostProbe

beforeEach(() => {
  directory = temporaryDirectory()
  probe = new HostProbe(directory, { acls: true })
  writeFileSync(join(directory, 'f'), '')
})

/** setxattr(2) as Linux's client does it: the errno, 0 for none. */
function set(path: string, name: string, value: string, with_ = 0): number {
  const fid = probe.fid(path)
  const size = BigInt(value.length)
  const refused = probe.errnoOf('xattrcreate', { fid, name, size, flags: with_ })
  if (refused !== 0) return refused
  for (let at = 0; at < value.length;) at += probe.write(fid, at, value.slice(at, at + 60_000))
  return probe.errnoOf('clunk', { fid })
}

/** getxattr(2), or listxattr(2) for ''. */
function get(path: string, name: string): string {
  const [fid, newfid] = [probe.fid(path), probe.fid(path)]
  probe.call('clunk', { fid: newfid })
  const { size } = probe.call('xattrwalk', { fid, newfid, name })
  let value = ''
  for (let part = ' '; part !== ''; value += part) {
    part = probe.read(newfid, value.length).toString('latin1')
  }
  expect(value.length).toBe(size)
  probe.call('clunk', { fid: newfid })
  return value
}

function errnoOfGet(path: string, name: string): number {
  return probe.errnoOf('xattrwalk', { fid: probe.fid(path), newfid: 9999, name })
}

describe('extended attributes of a host file', () => {
  it('are no labels where the host has none to give, but those that there are', () => {
    needsRoot('labels a file')
    const answer = existsSync('/sys/fs/selinux') ? errno.ENODATA : errno.EOPNOTSUPP
    expect(errnoOfGet('f', 'security.selinux')).toBe(answer)
    expect(errnoOfGet('f', 'security.other')).toBe(errno.ENODATA)
    expect(set('f', 'security.selinux', 'u:r:t:s0')).toBe(0)
    expect(get('f', 'security.selinux')).toBe('u:r:t:s0')
  })

  it('are set, replaced, listed and removed', () => {
    mkdirSync(join(directory, 'd'))
    for (const path of ['f', 'd', '']) {
      expect(set(path, 'user.one', 'first')).toBe(0)
      expect(set(path, 'user.one', 'any bytes: \0\u00ff')).toBe(0)
      expect(set(path, 'user.empty', '')).toBe(0)
      expect([get(path, 'user.one'), get(path, 'user.empty')]).toEqual(['any bytes: \0\u00ff', ''])
      const names = get(path, '').split('\0')
      expect(names.filter((name) => name.startsWith('user.')).toSorted()).toEqual([
        'user.empty',
        'user.one',
      ])
      expect(names.at(-1)).toBe('')
      expect(set(path, 'user.one', '', REPLACE)).toBe(0)
      expect(errnoOfGet(path, 'user.one')).toBe(errno.ENODATA)
      expect(set(path, 'user.one', '', REPLACE)).toBe(errno.ENODATA)
    }
  })

  it('fail as the host’s do', () => {
    expect(set('f', 'user.x', 'x', REPLACE)).toBe(errno.ENODATA)
    expect(set('f', 'user.x', 'x', CREATE)).toBe(0)
    expect(set('f', 'user.x', 'y', CREATE)).toBe(errno.EEXIST)
    expect(get('f', 'user.x')).toBe('x')
    symlinkSync('f', join(directory, 'l'))
    expect(set('l', 'user.x', 'x')).toBe(errno.EPERM)
  })

  it('are those of the symlink itself', () => {
    needsRoot('sets a trusted attribute')
    symlinkSync('f', join(directory, 'l'))
    expect(set('l', 'trusted.x', 'link')).toBe(0)
    expect([get('l', 'trusted.x'), errnoOfGet('f', 'trusted.x')]).toEqual(['link', errno.ENODATA])
  })

  it('are passed on in all namespaces that mean the same everywhere, and in no others', () => {
    needsRoot('sets a trusted attribute')
    expect(set('f', 'trusted.x', 't')).toBe(0)
    expect(set('f', 'security.x', 's')).toBe(0)
    // Version 2; user rw-, group r--, mask r--, others ---: the mask makes it more than a mode.
    const acl = Buffer.from(
      '0200000001000600ffffffff04000400ffffffff10000400ffffffff20000000ffffffff',
      'hex',
    ).toString('latin1')
    expect(set('f', 'system.posix_acl_access', acl)).toBe(0)
    expect(probe.stat('f').mode & 0o777).toBe(0o640)
    expect(get('f', 'system.posix_acl_access')).toBe(acl)
    expect(get('f', '').split('\0')).toEqual(expect.arrayContaining(['trusted.x', 'security.x']))
    for (const name of ['btrfs.compression', 'system.nfs4_acl', 'user', 'userx.y', 'system.x']) {
      expect([set('f', name, 'x'), errnoOfGet('f', name)]).toEqual([
        errno.EOPNOTSUPP,
        errno.EOPNOTSUPP,
      ])
    }
  })

  it('of other namespaces are not listed, nor are ACLs', () => {
    const list = 'btrfs.compression user.\u00ff system.x system.posix_acl_default security.x '
    const shown = shownNames(Buffer.from(list.replaceAll(' ', '\0'), 'latin1'))
    expect(shown.toString('latin1')).toBe('user.\u00ff\0security.x\0')
  })

  it('are had also when the file has no name any more', () => {
    set('f', 'user.x', 'still')
    const fid = probe.opened('f', 2)
    unlinkSync(join(directory, 'f'))
    probe.call('xattrwalk', { fid, newfid: 9999, name: 'user.x' })
    expect(probe.read(9999).toString()).toBe('still')
  })

  it('can be read but not changed where the export is read-only', () => {
    set('f', 'user.x', 'x')
    probe = new HostProbe(directory, { readOnly: true })
    expect(get('f', 'user.x')).toBe('x')
    expect(set('f', 'user.x', 'y')).toBe(errno.EROFS)
  })

  it('do not exist where a view of the kernel is hidden', () => {
    needsRoot('looks at / as a whole')
    probe = new HostProbe('/', { readOnly: true })
    expect(errnoOfGet('proc', 'security.x')).toBe(errno.EOPNOTSUPP)
    expect(errnoOfGet('proc', '')).toBe(errno.EOPNOTSUPP)
  })
})
