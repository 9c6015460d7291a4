import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FRAME_MAX } from '../../src/network/ethernet.ts'
import { QUEUE_BYTES } from '../../src/network/outgoing-queue.ts'
import type { Port } from '../../src/network/port.ts'
import { Switch } from '../../src/network/switch.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { FakeCard, address, broadcast, frameOf, lengthOf, textOf } from '../support/fake-card.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { temporaryDirectory } from '../support/temporary.ts'

let ethernet: Switch
let log: string[]
let folder: string
const cards: FakeCard[] = []

beforeEach(() => {
  log = []
  folder = temporaryDirectory()
  ethernet = new Switch({ seed: 1, log: (line) => log.push(line) })
})

afterEach(async () => {
  for (const each of cards.splice(0)) each.socket.destroy()
  await ethernet[Symbol.asyncDispose]()
})

/** A machine's card, plugged in. */
async function card(machine: string, vlan = 1): Promise<{ card: FakeCard; port: Port }> {
  const port = await ethernet.plug({ socket: join(folder, `${machine}-${vlan}`), machine, vlan })
  return { card: await plugInto(port), port }
}

async function plugInto(port: Port): Promise<FakeCard> {
  const plugged = await FakeCard.plugIn(port.socket)
  cards.push(plugged)
  return plugged
}

/** Three machines, 1 to 3, whose addresses the switch does not know yet. */
async function three(): Promise<[FakeCard, FakeCard, FakeCard]> {
  const [a, b, c] = [await card('a'), await card('b'), await card('c')]
  return [a.card, b.card, c.card]
}

/** Each says hello, so that the switch knows where it is, and the others have heard it. */
async function introduce(...all: FakeCard[]): Promise<void> {
  for (const [i, one] of all.entries()) one.send(frameOf(broadcast, address(i + 1), 'hello'))
  for (const one of all) {
    await one.texts(all.length - 1)
    one.frames.length = 0
  }
}

describe('a switch', () => {
  it('floods what it cannot place, and sends to one port what it can', async () => {
    const [a, b, c] = await three()
    a.send(frameOf(address(2), address(1), 'to whom?'))
    expect(await b.texts(1)).toEqual(['to whom?'])
    expect(await c.texts(1)).toEqual(['to whom?'])
    b.send(frameOf(address(1), address(2), 'me'))
    expect(await a.texts(1)).toEqual(['me'])
    a.send(frameOf(address(2), address(1), 'found you'), frameOf(broadcast, address(1), 'end'))
    expect(await b.texts(3)).toEqual(['to whom?', 'found you', 'end'])
    expect(await c.texts(2)).toEqual(['to whom?', 'end'])
    expect(a.frames.map(textOf)).toEqual(['me'])
  })

  it('sends frames to groups to all but their sender', async () => {
    const [a, b, c] = await three()
    await introduce(a, b, c)
    const group = Buffer.from('01005e000001', 'hex')
    a.send(frameOf(group, address(1), 'group'), frameOf(broadcast, address(1), 'all'))
    expect(await b.texts(2)).toEqual(['group', 'all'])
    expect(await c.texts(2)).toEqual(['group', 'all'])
    expect(a.frames).toEqual([])
  })

  it('does not send a frame back to where it came from', async () => {
    const [a, b] = await three()
    a.send(frameOf(broadcast, address(1), 'one'), frameOf(broadcast, address(11), 'the other'))
    a.send(
      frameOf(address(1), address(11), 'among themselves'),
      frameOf(broadcast, address(1), 'end'),
    )
    expect(await b.texts(3)).toEqual(['one', 'the other', 'end'])
    expect(a.frames).toEqual([])
  })

  it('keeps VLANs apart, also where an address is in both', async () => {
    const [one, two] = [await card('a', 1), await card('a', 2)]
    const [b, c] = [await card('b', 1), await card('c', 2)]
    one.card.send(frameOf(broadcast, address(1), 'in 1'))
    two.card.send(frameOf(broadcast, address(1), 'in 2'))
    expect(await b.card.texts(1)).toEqual(['in 1'])
    expect(await c.card.texts(1)).toEqual(['in 2'])
    b.card.send(frameOf(address(1), address(2), 'from 1'))
    c.card.send(frameOf(address(1), address(3), 'from 2'))
    expect(await one.card.texts(1)).toEqual(['from 1'])
    expect(await two.card.texts(1)).toEqual(['from 2'])
  })

  it('follows an address that moves', async () => {
    const [a, b, c] = await three()
    await introduce(a, b, c)
    c.send(frameOf(broadcast, address(2), 'moved'))
    await a.texts(1)
    a.send(frameOf(address(2), address(1), 'there?'))
    expect(await c.texts(1)).toEqual(['there?'])
    expect(b.frames.map(textOf)).toEqual(['moved'])
  })

  it('carries frames of every size', async () => {
    const [a, b] = await three()
    const sizes = [0, 1, 46, 1500, 9000, FRAME_MAX - 14]
    a.send(...sizes.map((size) => frameOf(broadcast, address(1), 'x'.repeat(size))))
    expect((await b.texts(sizes.length)).map(({ length }) => length)).toEqual(sizes)
  })
})

describe('a card that breaks the rules', () => {
  it('has its malformed frames dropped, and stays', async () => {
    const a = await card('a')
    const b = await card('b')
    a.card.send(
      Buffer.alloc(0),
      Buffer.alloc(1),
      frameOf(broadcast, address(1), '').subarray(0, 13),
    )
    a.card.send(frameOf(address(2), broadcast, 'from everybody'))
    a.card.send(frameOf(broadcast, address(1), 'good'))
    expect(await b.card.texts(1)).toEqual(['good'])
    expect(a.port.counters).toMatchObject({ received: 5, malformed: 4 })
    expect(log).toEqual([])
  })

  it('is cut off where a frame is too long, with one line; the others go on', async () => {
    const [a, b, c] = await three()
    await introduce(a, b, c)
    a.socket.write(Buffer.concat([lengthOf({ length: FRAME_MAX + 1 }), Buffer.alloc(100_000)]))
    await a.isCutOff()
    expect(log).toEqual([
      'network: a, VLAN 1: the NIC is disconnected: it announced a frame of 69633 bytes, and 69632 is the limit',
    ])
    b.send(frameOf(address(3), address(2), 'still here'))
    expect(await c.texts(1)).toEqual(['still here'])
  })

  it('invents more addresses than there is room for, and the others are still found', async () => {
    const [a, b, c] = await three()
    await introduce(a, b, c)
    for (let i = 0; i < 20; i++)
      a.send(
        ...Array.from({ length: 500 }, (_, j) =>
          frameOf(address(1), address(1000 + i * 500 + j), ''),
        ),
      )
    a.send(frameOf(broadcast, address(1), 'end'))
    await b.texts(1)
    b.send(frameOf(address(3), address(2), 'for c'))
    expect(await c.texts(2)).toEqual(['end', 'for c'])
    // The frame between the other two did not reach a.
    expect(a.frames).toEqual([])
  })

  it('does not read: its frames are dropped beyond a limit, those of others are not', async () => {
    const [a, b, slow] = [await card('a'), await card('b'), await card('slow')]
    await introduce(a.card, b.card, slow.card)
    slow.card.socket.pause()
    const payload = 'x'.repeat(1000)
    // As fast as the one that reads can take it, eight times the size of the queue.
    const rounds = (8 * QUEUE_BYTES) / 100_000
    for (let i = 1; i <= rounds; i++) {
      a.card.send(...Array.from({ length: 100 }, () => frameOf(broadcast, address(1), payload)))
      await b.card.texts(100 * i)
    }
    const sent = b.card.frames.length
    expect(b.port.counters.overflowed).toBe(0)
    expect(slow.port.counters.sent + slow.port.counters.overflowed - 2).toBe(sent)
    // Two halves of a queue, and what the kernel keeps of a socket.
    expect(slow.port.counters.sent * 1018).toBeLessThan(3.5 * QUEUE_BYTES)

    // What it gets when it reads again is whole frames.
    slow.card.socket.resume()
    const arrived = await slow.card.texts(slow.port.counters.sent - 2)
    expect(arrived.every((text) => text === payload)).toBe(true)
    a.card.send(frameOf(broadcast, address(1), 'end'))
    expect((await slow.card.texts(arrived.length + 1)).at(-1)).toBe('end')
  })
})

describe('a port', () => {
  it('has one card', async () => {
    const a = await card('a')
    const b = await card('b')
    const second = await plugInto(a.port)
    await second.isCutOff()
    expect(log).toEqual(['network: a, VLAN 1: a second NIC is refused: a port has one'])
    a.card.send(frameOf(broadcast, address(1), 'the first'))
    expect(await b.card.texts(1)).toEqual(['the first'])
  })

  it('takes another card when one is gone, and nothing of the old one is left', async () => {
    const [a, b, c] = [await card('a'), await card('b'), await card('c')]
    await introduce(a.card, b.card, c.card)
    // Half a frame.
    await new Promise((resolve) => {
      b.card.socket.write(Buffer.from([0, 0, 0, 60, 1, 2, 3]), resolve)
    })
    b.card.socket.destroy()
    // The switch has forgotten the address, so a frame to it goes to all ports.
    while (c.card.frames.length === 0) {
      a.card.send(frameOf(address(2), address(1), 'anybody?'))
      await sleep(5)
    }
    expect(b.port.counters.unplugged).toBeGreaterThan(0)
    const again = await plugInto(b.port)
    again.send(frameOf(broadcast, address(2), 'here again'))
    expect((await a.card.texts(1)).at(-1)).toBe('here again')
    a.card.send(frameOf(address(2), address(1), 'welcome'))
    expect(await again.texts(1)).toEqual(['welcome'])
    expect(log).toEqual([])
  })

  it('is gone with its switch, with its card and its socket', async () => {
    const before = openDescriptors()
    const { card: a, port } = await card('a')
    a.send(frameOf(broadcast, address(1), 'x'))
    await ethernet[Symbol.asyncDispose]()
    await a.isCutOff()
    expect(existsSync(port.socket)).toBe(false)
    await expect.poll(openDescriptors).toBe(before)
  })

  it('says why it cannot be opened', async () => {
    const socket = join(folder, 'missing', 'socket')
    await expect(ethernet.plug({ socket, machine: 'a', vlan: 1 })).rejects.toMatchObject({
      code: expect.stringMatching(/EACCES|ENOENT/),
    })
  })
})

describe('links', () => {
  it('have a delay in each direction', async () => {
    await ethernet[Symbol.asyncDispose]()
    const clock = new ManualClock()
    ethernet = new Switch({ seed: 1, log: (line) => log.push(line), clock })
    const [a, b] = [await card('a'), await card('b')]
    await introduce(a.card, b.card)
    ethernet.links.path('a', 'b').conditions = { delay: 400 }
    const before = a.port.counters.received
    a.card.send(frameOf(address(2), address(1), 'there'))
    await expect.poll(() => a.port.counters.received).toBe(before + 1)
    // No time passes, and the other direction needs none.
    b.card.send(frameOf(address(1), address(2), 'back'))
    expect(await a.card.texts(1)).toEqual(['back'])
    clock.pass(399)
    expect(ethernet.links.path('a', 'b').counters.arrived).toBe(1)
    clock.pass(1)
    expect(await b.card.texts(1)).toEqual(['there'])
  })

  it('are each of two machines: a broadcast is lost for one and arrives at another', async () => {
    const [a, b, c] = await three()
    ethernet.links.path('a', 'b').conditions = { loss: 1 }
    a.send(frameOf(broadcast, address(1), 'lost'))
    expect(await c.texts(1)).toEqual(['lost'])
    c.send(frameOf(broadcast, address(3), 'end'))
    expect(await b.texts(1)).toEqual(['end'])
    expect(ethernet.links.path('a', 'b').counters).toMatchObject({ lost: 1, arrived: 0 })
  })

  it('are interrupted by a partition, in both directions and for no other machine, until it heals', async () => {
    const [a, b, c] = await three()
    await introduce(a, b, c)
    ethernet.links.part('a', 'b')
    a.send(frameOf(broadcast, address(1), 'from a'))
    b.send(frameOf(broadcast, address(2), 'from b'))
    expect((await c.texts(2)).toSorted()).toEqual(['from a', 'from b'])
    c.send(frameOf(broadcast, address(3), 'from c'))
    expect(await a.texts(1)).toEqual(['from c'])
    expect(await b.texts(1)).toEqual(['from c'])
    ethernet.links.heal()
    a.send(frameOf(broadcast, address(1), 'healed'))
    expect(await b.texts(2)).toEqual(['from c', 'healed'])
  })

  it('end at a machine whose cables are pulled out, in all VLANs', async () => {
    const [a1, a2] = [await card('a', 1), await card('a', 2)]
    const [b, c] = [await card('b', 1), await card('c', 2)]
    ethernet.links.block('a')
    a1.card.send(frameOf(broadcast, address(1), 'blocked'))
    a2.card.send(frameOf(broadcast, address(1), 'blocked'))
    b.card.send(frameOf(broadcast, address(2), 'blocked'))
    const received = (): number[] => [a1, a2, b].map(({ port }) => port.counters.received)
    await expect.poll(received).toEqual([1, 1, 1])
    ethernet.links.unblock('a')
    a1.card.send(frameOf(broadcast, address(1), 'in 1'))
    a2.card.send(frameOf(broadcast, address(1), 'in 2'))
    expect(await b.card.texts(1)).toEqual(['in 1'])
    expect(await c.card.texts(1)).toEqual(['in 2'])
    b.card.send(frameOf(broadcast, address(2), 'again'))
    expect(await a1.card.texts(1)).toEqual(['again'])
  })
})
