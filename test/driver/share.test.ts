import { describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { share } from '../../src/driver/share.ts'
import { SessionProbe } from '../support/session-probe.ts'

describe('the names of a share', () => {
  it('lead to directories by slashes and by objects alike', () => {
    const tree = share({
      '/a': 'x',
      'dir/inner/b': 'xy',
      dir: { 'inner/c': 'xyz', é: () => '', inner: { d: new Uint8Array(4), empty: {} } },
    })
    const probe = new SessionProbe(tree).attach()
    const sizes = ['a', 'dir/inner/b', 'dir/inner/c', 'dir/inner/d'].map((path, i) => {
      probe.walk(i + 1, path)
      return probe.call('getattr', { fid: i + 1, mask: 0x7ff }).size
    })
    expect(sizes).toEqual([1, 2, 3, 4])
    // A name is UTF-8 on the wire.
    probe.walk(10, 'dir/\u00c3\u00a9').walk(11, 'dir/inner/empty')
    expect(probe.call('getattr', { fid: 11, mask: 0x7ff }).mode).toBe(0o40555)
  })

  it('are those of a directory when not all are a file’s properties', () => {
    const probe = new SessionProbe(share({ dir: { read: 'x', other: 'y' }, file: { read: 'x' } }))
    probe.attach().walk(1, 'dir/read').walk(2, 'file')
    expect(probe.errnoOf('walk', { fid: 2, newfid: 3, names: ['read'] })).toBe(errno.ENOTDIR)
  })

  it.each(['', 'a/', 'a//b', 'a/../b', '.', 'a\0b', 'x'.repeat(256)])('cannot be %j', (name) => {
    expect(() => share({ [name]: '' })).toThrow('is no name for a file.')
  })

  it('are not there twice', () => {
    expect(() => share({ '/a': '', a: '' })).toThrow('share: "a" in / is there twice.')
    expect(() => share({ 'a/b': '', a: '' })).toThrow('is there twice')
    expect(() => share({ a: '', 'a/b': '' })).toThrow('is there twice')
  })
})
