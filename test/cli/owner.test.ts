import { describe, expect, it } from 'vitest'
import { parseOwner, parseOwnership, parseRange, takeOwnership } from '../../src/cli/owner.ts'

describe('an owner', () => {
  it('is a user and a group, or a word', () => {
    expect(parseOwner('0:0')).toEqual({ uid: 0, gid: 0 })
    expect(parseOwner('4294967294:100')).toEqual({ uid: 4294967294, gid: 100 })
    expect(parseOwner('mapped-xattr')).toBe('mapped-xattr')
    expect(parseOwner('host')).toBe('host')
  })

  it.each(['', '0', '0:', ':0', 'root', 'root:root', '0:0:0', '-1:0', '1.5:0', '4294967295:0'])(
    'is not %j',
    (text) => {
      expect(() => parseOwner(text)).toThrow(
        `${text} is not an owner: use UID:GID in numbers, such as 0:0, or mapped-xattr, or host.`,
      )
    },
  )
})

describe('a range of ids', () => {
  it('is where it begins on both sides, and how long it is', () => {
    expect(parseRange('0:100000:65536')).toEqual({ guest: 0, host: 100000, count: 65536 })
    expect(parseRange('4294967294:0:1')).toEqual({ guest: 4294967294, host: 0, count: 1 })
  })

  it.each(['', '0:0', '0:0:0', '0:0:-1', '0:0:1:1', 'a:0:1', '4294967295:0:1', '1:0:4294967295'])(
    'is not %j',
    (text) => {
      expect(() => parseRange(text)).toThrow(`${text} is not a range of ids: use GUEST:HOST:COUNT`)
    },
  )
})

describe('--owner and --map', () => {
  it('have the usual value when they are not given', () => {
    expect(parseOwnership(undefined, [], 'mapped-xattr')).toBe('mapped-xattr')
    expect(parseOwnership('1:2', [], 'host')).toEqual({ uid: 1, gid: 2 })
    expect(parseOwnership(undefined, ['0:5:1', '1:9:2'], 'host')).toEqual([
      { guest: 0, host: 5, count: 1 },
      { guest: 1, host: 9, count: 2 },
    ])
  })

  it('contradict each other', () => {
    expect(() => parseOwnership('0:0', ['0:5:1'], 'host')).toThrow('use --owner or --map')
  })

  it.each([
    [['0:0:10', '9:100:1'], 'guest'],
    [['0:0:10', '10:9:1'], 'host'],
    [['10:9:1', '0:0:10'], 'host'],
  ])('may not have two meanings for one id: %j', (maps, side) => {
    expect(() => parseOwnership(undefined, maps, 'host')).toThrow(
      `The maps ${maps.join(' ')} overlap on the ${side}'s side.`,
    )
  })

  it('stand among other words, too', () => {
    expect(takeOwnership(['ro', 'map=0:5:1', 'x', 'map=1:7:1'], 'host')).toEqual({
      owner: [
        { guest: 0, host: 5, count: 1 },
        { guest: 1, host: 7, count: 1 },
      ],
      rest: ['ro', 'x'],
    })
    expect(takeOwnership(['owner=1:2', 'rw'], 'host')).toEqual({
      owner: { uid: 1, gid: 2 },
      rest: ['rw'],
    })
    expect(takeOwnership([], 'mapped-xattr')).toEqual({ owner: 'mapped-xattr', rest: [] })
  })
})
