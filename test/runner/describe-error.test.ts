import assert from 'node:assert/strict'
import { describe, expect, it } from 'vitest'
import { describeError } from '../../src/runner/describe-error.ts'

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
