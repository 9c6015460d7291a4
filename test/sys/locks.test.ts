import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { accessMode, duplicate, ofdConflict, setOfdLock } from '../../src/sys/locks.ts'
import { errnoOf } from '../support/errors.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'

const LAST = 2n ** 63n - 1n
const all = { start: 0n, end: LAST }

function opened(path: string, flags: string): number {
  const fd = openSync(path, flags)
  afterwards(() => closeSync(fd))
  return fd
}

function lockFile(): string {
  const path = join(temporaryDirectory(), 'f')
  writeFileSync(path, '')
  return path
}

describe('locks of an open file description', () => {
  it('stand in the way of another one of the same process', () => {
    const path = lockFile()
    const [a, b] = [opened(path, 'r+'), opened(path, 'r+')]
    expect(setOfdLock(a, 'write', { start: 5n, end: 9n })).toBe(true)
    expect(setOfdLock(b, 'read', { start: 9n, end: 9n })).toBe(false)
    expect(setOfdLock(b, 'write', { start: 10n, end: LAST })).toBe(true)
    expect(setOfdLock(a, 'none', all)).toBe(true)
    expect(setOfdLock(b, 'read', { start: 0n, end: 9n })).toBe(true)
    expect(setOfdLock(a, 'read', { start: 0n, end: 9n })).toBe(true)
  })

  it('are found, with their range', () => {
    const path = lockFile()
    const [a, b] = [opened(path, 'r+'), opened(path, 'r')]
    expect(ofdConflict(b, 'write', all)).toBe(undefined)
    setOfdLock(a, 'read', { start: 5n, end: 9n })
    expect(ofdConflict(b, 'read', all)).toBe(undefined)
    expect(ofdConflict(b, 'write', all)).toEqual({ type: 'read', start: 5n, end: 9n })
    expect(ofdConflict(a, 'write', all)).toBe(undefined)
    setOfdLock(a, 'write', { start: 20n, end: LAST })
    expect(ofdConflict(b, 'read', all)).toEqual({ type: 'write', start: 20n, end: LAST })
  })

  it('need a descriptor that was opened for them', () => {
    const path = lockFile()
    const [reader, writer] = [opened(path, 'r'), opened(path, 'a')]
    expect(errnoOf(() => setOfdLock(reader, 'write', all))).toBe(errno.EBADF)
    expect(errnoOf(() => setOfdLock(writer, 'read', all))).toBe(errno.EBADF)
    expect([accessMode(reader), accessMode(writer), accessMode(opened(path, 'r+'))]).toEqual([
      'read',
      'write',
      'both',
    ])
  })

  it('are held by all duplicates together', () => {
    const path = lockFile()
    const [a, b] = [opened(path, 'r+'), opened(path, 'r+')]
    const second = duplicate(a)
    setOfdLock(second, 'write', all)
    closeSync(second)
    expect(setOfdLock(b, 'read', all)).toBe(false)
    setOfdLock(a, 'none', all)
    expect(setOfdLock(b, 'read', all)).toBe(true)
  })
})
