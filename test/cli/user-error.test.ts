import { describe, expect, it } from 'vitest'
import { UserError, checkDirectory, explain } from '../../src/cli/user-error.ts'
import { ErrnoError, errno } from '../../src/sys/errno.ts'

describe('an explanation', () => {
  it('says in words why the operating system refused something', () => {
    const error = explain('The root /x cannot be served', new ErrnoError(errno.EACCES, 'openat'))
    expect(error).toBeInstanceOf(UserError)
    expect((error as Error).message).toBe(
      'The root /x cannot be served: this user has no permission for it.',
    )
  })

  it('leaves a mistake in the program as it is, so that its stack is seen', () => {
    const mistake = new TypeError('x is not a function')
    expect(explain('report.html cannot be written', mistake)).toBe(mistake)
  })
})

it('a path must be a directory, or the message says why it is none', () => {
  expect(() => checkDirectory('The root', '/')).not.toThrow()
  expect(() => checkDirectory('The root', '/dev/null')).toThrow(
    'The root /dev/null cannot be served: it is not a directory.',
  )
  expect(() => checkDirectory('The share', '/no/such')).toThrow(
    'The share /no/such cannot be served: there is no such file or directory.',
  )
})
