import { constants } from 'node:os'
import { describe, expect, it } from 'vitest'
import { errno, ErrnoError, errnoName, errnoOf } from '../../src/sys/errno.ts'

describe('error numbers', () => {
  it('are those of the host, which are those of the wire', () => {
    const host: Record<string, number> = constants.errno
    const known = Object.entries(errno).filter(([name]) => name in host)
    expect(known.length).toBeGreaterThan(30)
    for (const [name, number] of known) expect([name, number]).toEqual([name, host[name]])
  })

  it('have a name, also one that is not in the table', () => {
    expect(errnoName(errno.ENOENT)).toBe('ENOENT')
    expect(errnoName(999)).toBe('errno 999')
  })

  it('stand once in the table', () => {
    const numbers = Object.values(errno)
    expect(new Set(numbers).size).toBe(numbers.length)
  })
})

describe('errnoOf', () => {
  it('keeps the number of an ErrnoError, also one without a name', () => {
    expect(errnoOf(new ErrnoError(errno.ENOSPC, 'pwrite'))).toBe(errno.ENOSPC)
    expect(errnoOf(new ErrnoError(999, 'pwrite'))).toBe(999)
  })

  it('understands the errors of Node', () => {
    const error = Object.assign(new Error('no'), { code: 'EACCES' })
    expect(errnoOf(error)).toBe(errno.EACCES)
  })

  it.each([
    new TypeError('x is not a function'),
    Object.assign(new Error('no'), { code: 'ERR_INVALID_ARG_TYPE' }),
    Object.assign(new Error('no'), { code: 'toString' }),
    Object.assign(new Error('no'), { code: 5 }),
    'a string',
    undefined,
    null,
  ])('is EIO for anything else: %s', (thrown) => {
    expect(errnoOf(thrown)).toBe(errno.EIO)
  })

  it('says what was tried and how it failed', () => {
    const error = new ErrnoError(errno.ENOENT, 'openat')
    expect(error.message).toBe('openat: ENOENT')
    expect(error.code).toBe('ENOENT')
  })
})
