import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  parseChoice,
  parseCount,
  parseEnvironment,
  parseMemory,
  parseShare,
} from '../../src/cli/values.ts'

function messageOf(action: () => unknown): string {
  try {
    return `no error, but ${JSON.stringify(action())}`
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`
  }
}

describe('an amount of memory', () => {
  it.each([
    ['512', 512],
    ['512M', 512],
    ['2G', 2048],
    ['2g', 2048],
    ['1GiB', 1024],
    ['64MB', 64],
  ])('%s', (text, mebibytes) => {
    expect(parseMemory(text)).toBe(mebibytes)
  })

  it.each(['', '63', '63M', '0G', '-1G', '1.5G', '1T', 'G', '1 G', '1e3', 'lots', '512K'])(
    'is not %j',
    (text) => {
      expect(messageOf(() => parseMemory(text))).toBe(
        `UserError: --memory ${text} is not an amount of memory: use 512M or 2G, at least 64M.`,
      )
    },
  )
})

describe('a whole number', () => {
  it.each(['1', '16', '255'])('%s', (text) => {
    expect(parseCount('cpus', text, 1, 255)).toBe(Number(text))
  })

  it.each(['', ' ', '0', '256', '-1', '1.5', 'one', '1x', 'NaN', 'Infinity'])(
    'is not %j',
    (text) => {
      expect(messageOf(() => parseCount('cpus', text, 1, 255))).toBe(
        `UserError: --cpus ${text} is not a whole number from 1 to 255.`,
      )
    },
  )
})

describe('one of a few words', () => {
  it('is that word and no other', () => {
    const choices = ['auto', 'kvm'] as const
    expect(parseChoice('accel', 'kvm', choices)).toBe('kvm')
    expect(messageOf(() => parseChoice('accel', 'KVM', choices))).toBe(
      'UserError: --accel KVM: choose one of auto, kvm.',
    )
  })
})

describe('a share', () => {
  const host = { readOnly: false, owner: 'host' } as const

  it.each([
    ['/src:/dst', { source: '/src', target: '/dst', ...host }],
    ['src:/dst', { source: join(process.cwd(), 'src'), target: '/dst', ...host }],
    ['.:/dst', { source: process.cwd(), target: '/dst', ...host }],
    ['/s:/d/', { source: '/s', target: '/d', ...host }],
    ['/s:/d//e/./f', { source: '/s', target: '/d/e/f', ...host }],
    ['/s:/d\ne', { source: '/s', target: '/d\ne', ...host }],
    ['/s:/d/e f', { source: '/s', target: '/d/e f', ...host }],
    ['/s,t:/d,,e', { source: '/s,t', target: '/d,e', ...host }],
    ['/s:/d:ro', { source: '/s', target: '/d', ...host, readOnly: true }],
    // A share that its user wants read-only must not become a writable one at the path "/d,ro".
    ['/s:/d,ro', { source: '/s', target: '/d', ...host, readOnly: true }],
    ['/s:/d,owner=1:2', { source: '/s', target: '/d', ...host, owner: { uid: 1, gid: 2 } }],
    ['/s:/d,cache=none,ro', { source: '/s', target: '/d', ...host, readOnly: true, cache: 'none' }],
    ['/s:/d:rw', { source: '/s', target: '/d', ...host }],
    [
      '/s:/d:ro,owner=1:2',
      { source: '/s', target: '/d', readOnly: true, owner: { uid: 1, gid: 2 } },
    ],
    ['/s:/d:cache=loose', { source: '/s', target: '/d', ...host, cache: 'loose' }],
    ['/s:/d:ro,cache=none', { source: '/s', target: '/d', ...host, readOnly: true, cache: 'none' }],
    ['/s:/d:owner=1:2', { source: '/s', target: '/d', ...host, owner: { uid: 1, gid: 2 } }],
  ])('%s', (text, share) => {
    expect(parseShare(text, 'host')).toEqual(share)
  })

  it('has the default owner if it names none', () => {
    const owner = { uid: 5, gid: 6 }
    expect(parseShare('/s:/d', owner).owner).toEqual(owner)
    expect(parseShare('/s:/d:owner=7:8', owner).owner).toEqual({ uid: 7, gid: 8 })
  })

  it.each([
    ['/src', 'use SRC:DST'],
    ['/src:dst', 'use SRC:DST'],
    ['/src:/', 'other than /'],
    [':/dst', 'use SRC:DST'],
    ['', 'use SRC:DST'],
    ['/s:/d:', `'' is none of ro, rw, owner=OWNER, map=RANGE`],
    ['/s:/d,e', `'e' is none of ro, rw, owner=OWNER, map=RANGE`],
    ['/s:/d:RO', `'RO' is none of ro, rw, owner=OWNER, map=RANGE`],
    ['/s:/d:ro,', `'' is none of ro, rw, owner=OWNER, map=RANGE`],
    ['/s:/.', 'other than /'],
    ['/s:/d/../..', 'other than /'],
    ['/s:/d,ro,rw', 'given more than once'],
    ['/s:/d:ro,ro', 'given more than once'],
    ['/s:/d,cache=none,cache=loose', 'given more than once'],
    ['/s:/d,locks=host,locks=guests', 'locks= is given more than once'],
    ['/s:/d,acls,acls', 'acls is given more than once'],
    ['/s:/d,acls=1', `'acls=1' is none of ro, rw`],
    ['/s:/d,locks', `'locks' is none of ro, rw`],
    ['/s:/d,locks=all', '--share … locks all: choose one of guests, host'],
    ['/s:/d,owner=1:2,owner=3:4', 'an owner is given once'],
    ['/s:/d,owner=1:2,map=0:1:2', 'contradict each other'],
    ['/s:/d:/e', `'/e' is none of ro, rw`],
    ['/s:/d,cache', `'cache' is none of ro, rw`],
    ['/s:/d:owner=me', 'me is not an owner'],
    ['/s:/d:cache=all', '--share … cache all: choose one of none, mmap, loose'],
  ])('is not %j', (text, words) => {
    const message = messageOf(() => parseShare(text, 'host'))
    expect(message).toMatch(/^UserError: /)
    expect(message).toContain(words)
  })
})

describe('the environment', () => {
  it('has values as given, or those of this process', () => {
    process.env['LOWERDIR_TEST_HERE'] = 'here'
    delete process.env['LOWERDIR_TEST_GONE']
    const given = ['A=b', 'A2=x=y\nz', 'EMPTY=', 'LOWERDIR_TEST_HERE', 'LOWERDIR_TEST_GONE', 'A=c']
    expect(parseEnvironment(given)).toEqual({
      A: 'c',
      A2: 'x=y\nz',
      EMPTY: '',
      LOWERDIR_TEST_HERE: 'here',
    })
  })

  it.each(['', '=x', '1A=x', 'A-B=x', 'A B', '$(x)=y'])('has no %j', (text) => {
    expect(messageOf(() => parseEnvironment([text]))).toMatch(/^UserError: --env .*NAME=VALUE/)
  })
})
