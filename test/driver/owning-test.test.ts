import type { TestContext } from 'node:test'
import { type TestContext as VitestContext, expect, it } from 'vitest'
import { referenceTo } from '../../src/driver/owning-test.ts'

it('takes what Node’s types say that a test gets, and says whose it is', () => {
  const { signal } = new AbortController()
  const test = { fullName: 'suite > test', signal, after() {} } as unknown as TestContext
  expect(referenceTo(test)).toEqual({ file: process.argv[1], name: ['suite', 'test'] })
})

it('takes what Vitest’s types say that a test gets', (context: VitestContext) => {
  const name = ['takes what Vitest’s types say that a test gets']
  expect(referenceTo(context)).toEqual({ file: import.meta.filename, name })
})

it('takes nothing that a suite gets', () => {
  const { signal } = new AbortController()
  const suite = { fullName: 'suite', signal } as unknown as TestContext
  expect(() => referenceTo(suite)).toThrow('What a suite gets cannot end a machine.')
})

it('takes words about a test as they are', () => {
  const words = { file: '/a.test.ts', name: ['suite', 'test'] }
  expect(referenceTo(words)).toBe(words)
})
