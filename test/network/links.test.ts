import { expect, it } from 'vitest'
import { Links } from '../../src/network/links.ts'
import { ManualClock } from '../support/manual-clock.ts'

/** Which of 200 frames get from one to the other where half of them are lost. */
function pattern(links: Links, from: string, to: string): string {
  const path = links.path(from, to)
  path.conditions = { loss: 0.5 }
  let arrived = ''
  for (let i = 0; i < 200; i++) path.send(Buffer.from('x'), () => (arrived += `${i} `))
  return arrived
}

it('lose the frames that the seed determines, whatever other links carry', () => {
  const links = new Links(new ManualClock(), 1)
  const there = pattern(links, 'a', 'b')
  const back = pattern(links, 'b', 'a')
  expect(back).not.toBe(there)
  const again = new Links(new ManualClock(), 1)
  expect(pattern(again, 'b', 'a')).toBe(back)
  expect(pattern(again, 'a', 'b')).toBe(there)
  expect(pattern(new Links(new ManualClock(), 2), 'a', 'b')).not.toBe(there)
})

it('have one path in each direction, which stays the same', () => {
  const links = new Links(new ManualClock(), 1)
  expect(links.path('a', 'b')).toBe(links.path('a', 'b'))
  expect(links.path('a', 'b')).not.toBe(links.path('b', 'a'))
})
