import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { CaptureFilter } from '../../src/network/capture.ts'
import { Switch } from '../../src/network/switch.ts'
import { FakeCard, address, broadcast, frameOf, textOf } from '../support/fake-card.ts'
import { temporaryDirectory } from '../support/temporary.ts'

let ethernet: Switch
let log: string[]
let folder: string
let file: string
const cards = new Map<string, FakeCard>()

beforeEach(async () => {
  log = []
  folder = temporaryDirectory()
  file = join(folder, 'capture.pcap')
  ethernet = new Switch({ seed: 1, log: (line) => log.push(line) })
  for (const [machine, vlan] of [
    ['a', 1],
    ['b', 1],
    ['c', 1],
    ['a', 2],
    ['c', 2],
  ] as const) {
    const name = `${machine}${vlan}`
    const port = await ethernet.plug({ socket: join(folder, name), machine, vlan })
    cards.set(name, await FakeCard.plugIn(port.socket))
  }
})

afterEach(async () => {
  await ethernet[Symbol.asyncDispose]()
})

interface Packet {
  readonly time: number
  readonly frame: Buffer
}

/** The packets of a file in the classic pcap format, with microseconds, of Ethernet frames. */
function packetsOf(path: string): Packet[] {
  const bytes = readFileSync(path)
  const numbers = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  expect(numbers.getUint32(0, true)).toBe(0xa1b2c3d4)
  expect([numbers.getUint16(4, true), numbers.getUint16(6, true)]).toEqual([2, 4])
  expect(numbers.getUint32(20, true)).toBe(1)
  const snapLength = numbers.getUint32(16, true)
  const packets: Packet[] = []
  for (let at = 24; at < bytes.length;) {
    const [seconds, microseconds, captured, length] = [0, 4, 8, 12].map((i) =>
      numbers.getUint32(at + i, true),
    ) as [number, number, number, number]
    expect(microseconds).toBeLessThan(1_000_000)
    expect(captured).toBe(length)
    expect(captured).toBeLessThanOrEqual(snapLength)
    at += 16
    expect(at + captured).toBeLessThanOrEqual(bytes.length)
    packets.push({
      time: seconds * 1e3 + microseconds / 1e3,
      frame: bytes.subarray(at, at + captured),
    })
    at += captured
  }
  return packets
}

function textsOf(path: string): string[] {
  return packetsOf(path).map(({ frame }) => textOf(frame))
}

/** What every card says: its name, to all; two say something to each other; all of it has arrived. */
async function talk(): Promise<void> {
  let number = 1
  for (const [name, card] of cards) {
    card.send(frameOf(broadcast, address(number++), name))
    const others = [...cards].filter(([other]) => other !== name && other.at(-1) === name.at(-1))
    for (const [, other] of others) while (!other.frames.map(textOf).includes(name)) await sleep(1)
  }
  cards.get('a1')!.send(frameOf(address(2), address(1), 'a1 to b1'))
  while (!cards.get('b1')!.frames.map(textOf).includes('a1 to b1')) await sleep(1)
}

const filters: [CaptureFilter, string[]][] = [
  [{}, ['a1', 'b1', 'c1', 'a2', 'c2', 'a1 to b1']],
  [{ vlan: 2 }, ['a2', 'c2']],
  // What a machine hears counts as well, once for each card.
  [{ machine: 'b' }, ['a1', 'b1', 'c1', 'a1 to b1']],
  [{ machine: 'a' }, ['a1', 'b1', 'c1', 'a2', 'c2', 'a1 to b1']],
  [{ machine: 'a', vlan: 2 }, ['a2', 'c2']],
  [{ link: ['b', 'a'] }, ['a1', 'b1', 'a1 to b1']],
  [{ link: ['a', 'c'] }, ['a1', 'c1', 'a2', 'c2']],
  [{ link: ['a', 'c'], vlan: 2 }, ['a2', 'c2']],
  [{ link: ['a', 'c'], machine: 'c' }, ['a1', 'a2']],
]

it.each(filters)('with %j has the frames that this is about', async (filter, expected) => {
  const capture = ethernet.capture(file, filter)
  await talk()
  capture.stop()
  expect(textsOf(file)).toEqual(expected)
  expect(capture.frames).toBe(expected.length)
})

it('has frames as they were, at the time when they were seen', async () => {
  const start = Date.now()
  using capture = ethernet.capture(file)
  const frame = frameOf(broadcast, address(1), 'x'.repeat(1400))
  cards.get('a1')!.send(frame)
  await cards.get('b1')!.texts(1)
  const between = Date.now()
  while (Date.now() < between + 2) await turn()
  cards.get('a1')!.send(frameOf(broadcast, address(1), 'later'))
  await cards.get('b1')!.texts(2)
  capture.stop()
  const [first, second] = packetsOf(file)
  expect(first!.frame.equals(frame)).toBe(true)
  expect(first!.time).toBeGreaterThan(start - 5)
  expect(first!.time).toBeLessThanOrEqual(between + 1)
  expect(second!.time).toBeGreaterThan(between)
  expect(second!.time).toBeLessThan(Date.now() + 5)
})

it('shows what is sent although it is lost, and of a link only what arrives, when it does', async () => {
  const all = ethernet.capture(file)
  const link = ethernet.capture(join(folder, 'link.pcap'), { link: ['a', 'b'] })
  ethernet.links.path('a', 'b').conditions = { loss: 1 }
  cards.get('a1')!.send(frameOf(broadcast, address(1), 'lost'))
  await cards.get('c1')!.texts(1)
  ethernet.links.path('a', 'b').conditions = { delay: 50 }
  cards.get('a1')!.send(frameOf(broadcast, address(1), 'late'))
  await cards.get('b1')!.texts(1)
  all.stop()
  link.stop()
  expect(textsOf(all.file)).toEqual(['lost', 'late'])
  expect(textsOf(link.file)).toEqual(['late'])
  const [sent, arrived] = [packetsOf(all.file)[1]!.time, packetsOf(link.file)[0]!.time]
  expect(arrived - sent).toBeGreaterThanOrEqual(49)
})

it('can be read while it goes on, and gets nothing more once it is stopped', async () => {
  const capture = ethernet.capture(file)
  expect(textsOf(file)).toEqual([])
  cards.get('a1')!.send(frameOf(broadcast, address(1), 'one'))
  await expect.poll(() => textsOf(file)).toEqual(['one'])
  cards.get('a1')!.send(frameOf(broadcast, address(1), 'two'))
  await cards.get('b1')!.texts(2)
  capture.stop()
  capture.stop()
  cards.get('a1')!.send(frameOf(broadcast, address(1), 'three'))
  await cards.get('b1')!.texts(3)
  expect(textsOf(file)).toEqual(['one', 'two'])
})

it('is complete when the switch is gone', async () => {
  ethernet.capture(file)
  cards.get('a1')!.send(frameOf(broadcast, address(1), 'last words'))
  await cards.get('b1')!.texts(1)
  await ethernet[Symbol.asyncDispose]()
  expect(textsOf(file)).toEqual(['last words'])
})

it('holds more frames than are collected before they are written', async () => {
  const capture = ethernet.capture(file)
  for (let i = 0; i < 10; i++) {
    cards
      .get('a1')!
      .send(
        ...Array.from({ length: 100 }, (_, j) =>
          frameOf(broadcast, address(1), `${i * 100 + j} ${'x'.repeat(1000)}`),
        ),
      )
    await cards.get('b1')!.texts(100 * (i + 1))
  }
  capture.stop()
  expect(textsOf(file).map((text) => Number.parseInt(text, 10))).toEqual([...Array(1000).keys()])
})

it('stops at its limit, and says so once', async () => {
  const capture = ethernet.capture(file, { limit: 10_000 })
  for (let i = 0; i < 50; i++)
    cards.get('a1')!.send(frameOf(broadcast, address(1), 'x'.repeat(1000)))
  await cards.get('b1')!.texts(50)
  capture.stop()
  expect(readFileSync(file).length).toBeLessThanOrEqual(10_000)
  expect(packetsOf(file)).toHaveLength(9)
  expect(log).toEqual([
    `network: the capture ${file} has reached its limit of 10000 bytes: later frames are left out`,
  ])
})

it('replaces a file, and says which one cannot be made', () => {
  writeFileSync(file, 'something else')
  ethernet.capture(file).stop()
  expect(textsOf(file)).toEqual([])
  expect(() => ethernet.capture(join(folder, 'missing', 'x.pcap'))).toThrow('missing/x.pcap')
})

it('says when it could not be written, and the network goes on', async () => {
  const capture = ethernet.capture('/dev/full')
  cards.get('a1')!.send(frameOf(broadcast, address(1), 'one'))
  expect(await cards.get('b1')!.texts(1)).toEqual(['one'])
  expect(() => capture.stop()).toThrow('ENOSPC')
})
