import assert from 'node:assert/strict'
import { describe, expect, it, vi } from 'vitest'
import { OWN_FRAMES, describeError } from '../../src/runner/describe-error.ts'
import { mebibytes } from '../../src/util/size.ts'

function caught(action: () => void): unknown {
  try {
    action()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

describe('an error for people', () => {
  it('has its first line, its stack but for Node itself, and its causes', () => {
    const error = new TypeError('no page\nat all', {
      cause: new Error('refused', { cause: 'why' }),
    })
    const { message, text } = describeError(error)
    expect(message).toBe('no page')
    expect(text).toMatch(/^TypeError: no page\nat all\n +at .*describe-error\.test\.ts/)
    expect(text).toMatch(/\ncaused by: Error: refused\n/)
    expect(text).toMatch(/\ncaused by: 'why'$/)
    expect(text).not.toContain('node:internal')
  })

  it('has no more than the ends of what it quotes', () => {
    const error = new Error(`${'a'.repeat(3e6)}\n${'b'.repeat(3e6)}`)
    const { message, text } = describeError(error)
    expect(message).toBe(`${'a'.repeat(1000)}…`)
    expect(text.length).toBeLessThan(200_000)
    expect(text).toMatch(/^Error: a+\n\[\d+ characters left out\]\nb+\n +at /)
  })

  it('shows the frames of the test first, and those of this package only when told to', () => {
    const cause = caught(() => mebibytes('x', 'memory'))
    const error = new Error('refused', { cause })
    expect((cause as Error).stack).toMatch(/^RangeError: .*\n +at mebibytes .*src\/util\/size\.ts/)
    const { text } = describeError(error)
    expect(text).toMatch(/^caused by: RangeError: memory: x .*\n +at .*describe-error\.test\.ts/m)
    expect(text).not.toContain('/src/')
    vi.stubEnv(OWN_FRAMES, '1')
    expect(describeError(error).text).toMatch(/^ +at mebibytes .*src\/util\/size\.ts/m)
    vi.unstubAllEnvs()
  })

  it('keeps the frames of this package where no other is left', () => {
    const error = caught(() => mebibytes('x', 'memory')) as Error
    error.stack = error.stack!.split('\n').slice(0, 2).join('\n')
    expect(describeError(error).text).toMatch(/^ +at mebibytes .*src\/util\/size\.ts/m)
  })

  it('has what it carries in several lines, and no other fields', () => {
    const error = Object.assign(new Error('x'), {
      console: 'one\ntwo\n',
      code: 'E',
      other: 'short',
    })
    const { text } = describeError(error)
    expect(text).toContain('\nconsole:\n  | one\n  | two')
    expect(text).not.toMatch(/short|code/)
  })

  it('has nothing twice that is in its message as well', () => {
    const error = Object.assign(new Error('x\n--- stderr\none\ntwo'), { stderr: 'one\ntwo\n' })
    expect(describeError(error).text.match(/two/g)).toHaveLength(1)
  })

  it('shows a difference', () => {
    const { message, text } = describeError(caught(() => assert.deepEqual({ a: 1 }, { a: 2 })))
    expect(message).toBe('Expected values to be strictly deep-equal:')
    expect(text).toMatch(/a: 1[^]*a: 2/)
  })

  it('shows all of several', () => {
    const { text } = describeError(new AggregateError([new Error('one'), 2], 'both'))
    expect(text).toMatch(/^AggregateError: both[^]*\none of them: Error: one[^]*\none of them: 2$/)
  })

  it.each([
    ['a string', "'a string'"],
    [undefined, 'undefined'],
    [{ a: 1 }, '{ a: 1 }'],
  ])('can be anything: %j', (thrown, message) =>
    expect(describeError(thrown).message).toBe(message),
  )

  it('does not follow causes in circles', () => {
    const error = new Error('around')
    error.cause = error
    expect(describeError(error).text.length).toBeLessThan(20_000)
  })
})
