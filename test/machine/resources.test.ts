import { expect, it } from 'vitest'
import { Resources } from '../../src/machine/resources.ts'

it('closes what was opened last first, each once', async () => {
  const closed: string[] = []
  const resources = new Resources()
  resources.defer(() => closed.push('first'))
  resources.use({ [Symbol.asyncDispose]: async () => void closed.push('second') })
  resources.use({ [Symbol.dispose]: () => void closed.push('third') })
  await resources[Symbol.asyncDispose]()
  await resources[Symbol.asyncDispose]()
  expect(closed).toEqual(['third', 'second', 'first'])
})

it('closes all of it, also when one fails', async () => {
  const closed: string[] = []
  const resources = new Resources()
  resources.defer(() => closed.push('first'))
  resources.defer(() => {
    throw new Error('broken')
  })
  await expect(resources[Symbol.asyncDispose]()).rejects.toThrow('broken')
  expect(closed).toEqual(['first'])
})

it('tells of all failures', async () => {
  const resources = new Resources()
  for (const name of ['a', 'b']) resources.defer(() => Promise.reject(new Error(name)))
  await expect(resources[Symbol.asyncDispose]()).rejects.toMatchObject({
    errors: [{ message: 'b' }, { message: 'a' }],
  })
})
