import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Always } from '../../src/driver/always.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})

afterEach(() => {
  vi.useRealTimers()
})

it('ends with a check that is under way', async () => {
  let end!: () => void
  const check = new Promise<void>((resolve) => {
    end = resolve
  })
  const disposed = new Always(
    () => check,
    2,
    () => {},
  )[Symbol.asyncDispose]()
  end()
  await disposed
  expect(vi.getTimerCount()).toBe(0)
})

it('does not wait for ever for a check that does not end, as on a guest that does not answer', async () => {
  let isOver = false
  const always = new Always(
    () => new Promise(() => {}),
    2,
    () => {},
  )
  const disposed = always[Symbol.asyncDispose]().then(() => (isOver = true))
  await vi.advanceTimersByTimeAsync(9999)
  expect(isOver).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  await disposed
})
