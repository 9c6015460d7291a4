import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseExports } from '../../src/cli/export.ts'

const policy = { readOnly: false, owner: 'host', atime: 'preserve' } as const

function parsed(...texts: string[]): unknown {
  return parseExports(texts, policy)
}

describe('an export', () => {
  it.each([
    ['src=/srv/src', { name: 'src', directory: '/srv/src', ...policy }],
    ['a.b_c-1=src', { name: 'a.b_c-1', directory: join(process.cwd(), 'src'), ...policy }],
    ['a==', { name: 'a', directory: join(process.cwd(), '='), ...policy }],
    ['a=/x=y', { name: 'a', directory: '/x=y', ...policy }],
    ['a=/x y:z', { name: 'a', directory: '/x y:z', ...policy }],
    ['a=/x,ro', { name: 'a', directory: '/x', ...policy, readOnly: true }],
    ['a=/x,rw', { name: 'a', directory: '/x', ...policy }],
    ['a=/x,owner=1:2', { name: 'a', directory: '/x', ...policy, owner: { uid: 1, gid: 2 } }],
    ['a=/x,atime=guest', { name: 'a', directory: '/x', ...policy, atime: 'guest' }],
    ['a=/x,locks=host', { name: 'a', directory: '/x', ...policy, lockScope: 'host' }],
    [
      'a=/x,ro,locks=host,atime=guest',
      {
        name: 'a',
        directory: '/x',
        ...policy,
        readOnly: true,
        atime: 'guest',
        lockScope: 'host',
      },
    ],
    ['a=/x,,ro', { name: 'a', directory: '/x,ro', ...policy }],
    ['a=/x,,,ro', { name: 'a', directory: '/x,', ...policy, readOnly: true }],
    ['a=,,', { name: 'a', directory: join(process.cwd(), ','), ...policy }],
  ])('%s', (text, result) => {
    expect(parsed(text)).toEqual([result])
  })

  it('has the common policy unless it has options of its own', () => {
    const other = { readOnly: true, owner: { uid: 5, gid: 6 }, atime: 'guest' } as const
    expect(parseExports(['a=/x', 'b=/y,rw,atime=preserve'], other)).toEqual([
      { name: 'a', directory: '/x', ...other },
      { name: 'b', directory: '/y', readOnly: false, owner: other.owner, atime: 'preserve' },
    ])
  })

  it.each([
    ['', 'use NAME=DIR'],
    ['/srv', 'use NAME=DIR'],
    ['=/srv', 'use NAME=DIR'],
    ['a=', 'use NAME=DIR'],
    ['a=,ro', 'use NAME=DIR'],
    ['a/b=/srv', 'use NAME=DIR'],
    ['a,b=/srv', 'use NAME=DIR'],
    ['a b=/srv', 'use NAME=DIR'],
    [`${'x'.repeat(65)}=/srv`, 'use NAME=DIR'],
    ['a=/srv,', `'' is none of ro, rw, owner=OWNER, map=RANGE, atime=preserve, atime=guest`],
    ['a=/srv,RO', `'RO' is none of`],
    ['a=/srv,x.txt', 'Write a comma that is part of DIR twice.'],
    ['a=/srv,atime=never', `'atime=never' is none of`],
    ['a=/srv,ro,rw', 'ro or rw is given more than once'],
    ['a=/srv,atime=guest,atime=guest', 'atime= is given more than once'],
    ['a=/srv,locks=host,locks=guests', 'locks= is given more than once'],
    ['a=/srv,owner=1:2,owner=1:2', 'an owner is given once'],
    ['a=/srv,owner=me', 'me is not an owner'],
  ])('is not %j', (text, words) => {
    expect(() => parsed(text)).toThrow(
      expect.objectContaining({ name: 'UserError', message: expect.stringContaining(words) }),
    )
  })

  it('has a name of its own', () => {
    expect(() => parsed('a=/x', 'b=/x', 'a=/y')).toThrow(
      '--export a=…: two exports have this name.',
    )
  })
})
