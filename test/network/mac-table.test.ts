import { expect, it } from 'vitest'
import { ADDRESSES_PER_PORT, AGEING, MacTable } from '../../src/network/mac-table.ts'
import { ManualClock } from '../support/manual-clock.ts'

it('knows where an address was seen last', () => {
  const table = new MacTable<string>(new ManualClock())
  expect(table.find(1)).toBe(undefined)
  table.learn(1, 'a')
  table.learn(2, 'b')
  expect([table.find(1), table.find(2)]).toEqual(['a', 'b'])
  table.learn(1, 'b')
  expect([table.find(1), table.find(2)]).toEqual(['b', 'b'])
})

it('forgets an address from which nothing has come for five minutes', () => {
  const clock = new ManualClock()
  const table = new MacTable<string>(clock)
  table.learn(1, 'a')
  table.learn(2, 'a')
  clock.pass(AGEING)
  table.learn(1, 'a')
  clock.pass(1)
  expect([table.find(1), table.find(2)]).toEqual(['a', undefined])
})

it('forgets all that was behind a port', () => {
  const table = new MacTable<string>(new ManualClock())
  for (let each = 0; each < 10; each++) table.learn(each, each < 5 ? 'a' : 'b')
  table.forget('a')
  expect(table.size).toBe(5)
  expect([table.find(4), table.find(5)]).toEqual([undefined, 'b'])
})

it('limits the addresses of each port, so that invented ones do not affect other ports', () => {
  const clock = new ManualClock()
  const table = new MacTable<string>(clock)
  table.learn(-1, 'other')
  for (let each = 0; each < 100_000; each++) table.learn(each, 'hostile')
  expect(table.size).toBe(ADDRESSES_PER_PORT + 1)
  table.learn(-2, 'other')
  expect([table.find(-1), table.find(-2)]).toEqual(['other', 'other'])
  expect(table.find(ADDRESSES_PER_PORT - 1)).toBe('hostile')
  expect(table.find(ADDRESSES_PER_PORT)).toBe(undefined)

  // Those that have grown old make room.
  clock.pass(AGEING + 1)
  table.learn(7777, 'hostile')
  expect(table.find(7777)).toBe('hostile')
  expect(table.size).toBe(1)
})

it('lets an address move, also to a port that has no room for it', () => {
  const table = new MacTable<string>(new ManualClock())
  for (let each = 0; each < ADDRESSES_PER_PORT; each++) table.learn(each, 'full')
  table.learn(5000, 'other')
  table.learn(5000, 'full')
  expect(table.find(5000)).toBe(undefined)
  // One that leaves makes room for one that comes.
  table.learn(0, 'other')
  table.learn(5000, 'full')
  expect([table.find(0), table.find(5000)]).toEqual(['other', 'full'])
})
