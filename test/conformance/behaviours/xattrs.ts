import assert from 'node:assert/strict'
import { type KernelBehaviours, bytes, text, make, fails, later, moved } from './helpers.ts'
import { XATTR_CREATE, XATTR_REPLACE, xattr } from '../system.ts'

/** Extended attributes. */
export const xattrs: KernelBehaviours = {
  'an attribute is set, read, listed and removed': async (fs) => {
    await make(fs, 'f', '')
    await fs.mkdir('d')
    for (const name of ['f', 'd']) {
      const path = fs.path(name)
      xattr.set(path, 'user.one', bytes('first'))
      xattr.set(path, 'user.two', Buffer.from([0, 255, 10]))
      assert.deepEqual(xattr.get(path, 'user.one'), bytes('first'))
      assert.deepEqual(xattr.get(path, 'user.two'), Buffer.from([0, 255, 10]))
      assert.deepEqual(own(xattr.list(path)), ['user.one', 'user.two'])
      xattr.remove(path, 'user.one')
      assert.deepEqual(own(xattr.list(path)), ['user.two'])
      await fails('ENODATA', () => xattr.get(path, 'user.one'))
      await fails('ENODATA', () => xattr.remove(path, 'user.one'))
    }
  },

  'an attribute is replaced, with a shorter and a longer one': async (fs) => {
    await make(fs, 'f', '')
    for (const value of ['some text', 'x', '', 'y'.repeat(2000), 'z']) {
      xattr.set(fs.path('f'), 'user.a', bytes(value))
      assert.equal(text(xattr.get(fs.path('f'), 'user.a')), value)
      assert.equal(xattr.size(fs.path('f'), 'user.a'), value.length)
    }
  },

  'an attribute is made only, or replaced only': async (fs) => {
    await make(fs, 'f', '')
    const path = fs.path('f')
    await fails('ENODATA', () => xattr.set(path, 'user.a', bytes('1'), XATTR_REPLACE))
    xattr.set(path, 'user.a', bytes('1'), XATTR_CREATE)
    await fails('EEXIST', () => xattr.set(path, 'user.a', bytes('2'), XATTR_CREATE))
    xattr.set(path, 'user.a', bytes('3'), XATTR_REPLACE)
    assert.equal(text(xattr.get(path, 'user.a')), '3')
  },

  'an attribute that does not fit is said to': async (fs) => {
    await make(fs, 'f', '')
    xattr.set(fs.path('f'), 'user.a', bytes('some text'))
    await fails('ERANGE', () => xattr.get(fs.path('f'), 'user.a', 4))
    await fails('ERANGE', () => xattr.set(fs.path('f'), `user.${'n'.repeat(251)}`, bytes('')))
    xattr.set(fs.path('f'), `user.${'n'.repeat(250)}`, bytes('long'))
    assert.equal(own(xattr.list(fs.path('f'))).length, 2)
  },

  'an attribute without a kind that is known is refused': async (fs) => {
    await make(fs, 'f', '')
    await fails('EOPNOTSUPP', () => xattr.set(fs.path('f'), 'a', bytes('1')))
    await fails('EOPNOTSUPP', () => xattr.set(fs.path('f'), 'nonsense.a', bytes('1')))
  },

  'attributes stay with the file': async (fs) => {
    await make(fs, 'f', '')
    xattr.set(fs.path('f'), 'user.a', bytes('1'))
    const before = await fs.stat('f')
    await later(fs, before.ctime)
    xattr.set(fs.path('f'), 'user.a', bytes('2'))
    assert.equal(moved(before, await fs.stat('f')), 'ctime')
    await fs.rename('f', 'g')
    await fs.link('g', 'h')
    await fs.unlink('g')
    assert.equal(text(xattr.get(fs.path('h'), 'user.a')), '2')
  },

  'a symlink has no attributes of users': async (fs) => {
    await fs.symlink('x', 'l')
    await fails('EPERM', () => xattr.set(fs.path('l'), 'user.a', bytes('1')))
  },
}

/** Without those that a security module adds. */
function own(names: readonly string[]): string[] {
  return names.filter((name) => name.startsWith('user.')).toSorted()
}
