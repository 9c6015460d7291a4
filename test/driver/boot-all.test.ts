import { beforeEach, expect, it } from 'vitest'
import { type Start, bootAll, disposeOfAll } from '../../src/driver/boot-all.ts'

/** What has happened, in its order. */
let events: string[]
/** Ends the boots that are under way: with a machine, or with an error. */
let finish: Record<string, (error?: Error) => void>

beforeEach(() => {
  events = []
  finish = {}
})

class FakeMachine implements AsyncDisposable {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
  async [Symbol.asyncDispose](): Promise<void> {
    events.push(`${this.name} ends`)
  }
}

function start(name: string, memoryMiB = 100): Start<FakeMachine> {
  return {
    name,
    memoryMiB,
    boot: (signal) =>
      new Promise((resolve, reject) => {
        events.push(`${name} starts`)
        const giveUp = (): void => {
          events.push(`${name} is aborted`)
          reject(signal.reason as Error)
        }
        signal.addEventListener('abort', giveUp)
        finish[name] = (error) => {
          signal.removeEventListener('abort', giveUp)
          if (error === undefined) resolve(new FakeMachine(name))
          else reject(error)
        }
      }),
  }
}

/** Lets everything happen that can. */
async function settle(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve)
  })
}

it('boots all at once, and gives them back in their order', async () => {
  const all = bootAll([start('a'), start('b'), start('c')], () => 1000)
  await settle()
  expect(events).toEqual(['a starts', 'b starts', 'c starts'])
  for (const name of ['c', 'a', 'b']) {
    finish[name]!()
    await settle()
  }
  expect((await all).map(({ name }) => name)).toEqual(['a', 'b', 'c'])
})

it('boots as many at once as fit into memory', async () => {
  const all = bootAll([start('a'), start('b'), start('c')], () => 250)
  await settle()
  expect(events).toEqual(['a starts', 'b starts'])
  finish['b']!()
  await settle()
  expect(events).toEqual(['a starts', 'b starts', 'c starts'])
  finish['a']!()
  finish['c']!()
  expect(await all).toHaveLength(3)
})

it('boots one after the other where none fits', async () => {
  const all = bootAll([start('a'), start('b')], () => 10)
  await settle()
  expect(events).toEqual(['a starts'])
  finish['a']!()
  await settle()
  expect(events).toEqual(['a starts', 'b starts'])
  finish['b']!()
  expect(await all).toHaveLength(2)
})

it('says which machine did not boot and why, and leaves no machine behind', async () => {
  const all = bootAll([start('a'), start('b'), start('c'), start('d')], () => 310)
  await settle()
  finish['a']!()
  await settle()
  const cause = new Error('there is no kernel')
  finish['b']!(cause)
  await expect(all).rejects.toMatchObject({
    message: 'The machine b did not boot: there is no kernel',
    cause,
  })
  expect(events.slice(3)).toEqual(['d starts', 'c is aborted', 'd is aborted', 'a ends'])
})

it('starts no more once one has failed', async () => {
  const all = bootAll([start('a'), start('b'), start('c')], () => 150)
  await settle()
  finish['a']!(new Error('no'))
  await expect(all).rejects.toThrow('The machine a did not boot: no')
  expect(events).toEqual(['a starts'])
})

it('takes the memory that this machine has', async () => {
  const all = bootAll([start('a', 1), start('b', 1), start('c', 1e9)])
  await settle()
  expect(events).toEqual(['a starts', 'b starts'])
  finish['a']!()
  finish['b']!()
  await settle()
  finish['c']!()
  expect(await all).toHaveLength(3)
})

it('ends all machines, and reports the errors of those that failed to end', async () => {
  const broken = (reason: string): AsyncDisposable => ({
    [Symbol.asyncDispose]: () => Promise.reject(new Error(reason)),
  })
  await expect(disposeOfAll([broken('x'), new FakeMachine('a')])).rejects.toThrow('x')
  expect(events).toEqual(['a ends'])
  await expect(disposeOfAll([broken('x'), broken('y')])).rejects.toMatchObject({
    errors: [{ message: 'x' }, { message: 'y' }],
  })
})
