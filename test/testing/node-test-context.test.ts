import type { TestContext } from 'node:test'
import { expect, it } from 'vitest'
import { type NodeTestContext, referenceTo } from '../../src/testing/node-test-context.ts'

it('takes what Node’s types say that a test gets, and says whose it is', () => {
  const of = (test: TestContext): NodeTestContext => test
  const test = { fullName: 'suite > test', signal: AbortSignal.abort() } as unknown as TestContext
  expect(referenceTo(of(test))).toEqual({ file: process.argv[1], name: ['suite', 'test'] })
})

it('takes words about a test as they are', () => {
  const words = { file: '/a.test.ts', name: ['suite', 'test'] }
  expect(referenceTo(words)).toBe(words)
})
