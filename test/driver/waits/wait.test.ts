import { describe, expect, it } from 'vitest'
import {
  type Waiter,
  WaitError,
  find,
  waitFor,
  waitForAnswer,
} from '../../../src/driver/waits/wait.ts'
import { Recorder } from '../../../src/record/recorder.ts'

/** A machine as far as a wait knows one. */
function fakeWaiter(changes: Partial<Waiter> = {}): Waiter {
  return {
    name: 'm',
    recorder: new Recorder(),
    ended: new Promise(() => {}),
    defaultTimeout: 600,
    upset: new AbortController().signal,
    consoleTail: () => 'the last line',
    ...changes,
  }
}

const never = (): Promise<never> => new Promise(() => {})

describe('a wait', () => {
  it('resolves with what its attempt does, and is in the record', async () => {
    const waiter = fakeWaiter()
    expect(await waitFor(waiter, 'the news', {}, async () => 'news')).toBe('news')
    expect(waiter.recorder.events).toMatchObject([
      { kind: 'wait-started', what: 'the news' },
      { kind: 'wait-ended' },
    ])
  })

  it('says what it saw instead when its time is over, with the end of the console', async () => {
    const waiter = fakeWaiter()
    const waiting = waitFor(waiter, 'the news', { timeout: 0.01 }, never, () => 'there is silence')
    const error = await waiting.catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(WaitError)
    expect((error as Error).message).toBe(
      'm: the news: did not come within 0.01 seconds, there is silence.\n--- console\nthe last line',
    )
  })

  it('ends with the machine', async () => {
    const waiter = fakeWaiter({ ended: Promise.resolve(new Error('a panic')) })
    await expect(waitFor(waiter, 'the news', {}, never)).rejects.toThrow('a panic')
  })

  it('is given up for its signal, and for a condition that does not hold', async () => {
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(waitFor(fakeWaiter(), 'x', { signal }, never)).rejects.toThrow('enough')
    const upset = AbortSignal.abort(new Error('it broke'))
    await expect(waitFor(fakeWaiter({ upset }), 'x', {}, never)).rejects.toThrow('it broke')
  })

  it('asks again until there is an answer', async () => {
    const answers = [undefined, undefined, 3]
    const ask = async (): Promise<number | undefined> => answers.shift()
    expect(await waitForAnswer(fakeWaiter(), 'a number', {}, ask, () => '')).toBe(3)
  })
})

it('finds a string as it is, and a pattern from the beginning each time', () => {
  expect(find('a.c abc', 'a.c')).toBe('a.c')
  expect(find('abc', 'a.c')).toBeUndefined()
  const pattern = /b./g
  expect([find('abc', pattern), find('abc', pattern)]).toEqual(['bc', 'bc'])
})
