import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { ErrnoError, errno } from '../../src/sys/errno.ts'
import { instead, isSystemError, messageOf } from '../../src/util/error.ts'

async function nodesError(): Promise<unknown> {
  return readFile('/nonexistent/file').catch((error: unknown) => error)
}

describe('a system error', () => {
  it('is one of Node with an errno, or one of sys/', async () => {
    expect(isSystemError(await nodesError())).toBe(true)
    expect(isSystemError(new ErrnoError(errno.EACCES, 'openat'))).toBe(true)
  })

  it('is not a mistake in a program, even where Node gives it a code', () => {
    expect(isSystemError(new TypeError('x is not a function'))).toBe(false)
    expect(isSystemError(Object.assign(new TypeError(), { code: 'ERR_INVALID_ARG_TYPE' }))).toBe(
      false,
    )
    expect(isSystemError('ENOENT')).toBe(false)
    expect(isSystemError(undefined)).toBe(false)
  })

  it('has one of the codes that are asked for', async () => {
    const error = await nodesError()
    expect(isSystemError(error, 'EACCES', 'ENOENT')).toBe(true)
    expect(isSystemError(error, 'EACCES')).toBe(false)
  })
})

describe('instead', () => {
  it('replaces the errors that are expected', async () => {
    await expect(readFile('/nonexistent/file').catch(instead('none', 'ENOENT'))).resolves.toBe(
      'none',
    )
  })

  it('throws every other error again', async () => {
    const other = instead('none', 'EACCES')
    await expect(readFile('/nonexistent/file').catch(other)).rejects.toThrow('ENOENT')
    expect(() => other(new TypeError('a mistake'))).toThrow('a mistake')
  })
})

it('says in words what was thrown', () => {
  expect(messageOf(new Error('why'))).toBe('why')
  expect(messageOf('why')).toBe('why')
  expect(messageOf(undefined)).toBe('undefined')
})
