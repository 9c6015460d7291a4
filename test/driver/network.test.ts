import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { startNetwork, type NetworkedOptions, type Seat } from '../../src/driver/start-network.ts'
import type { Network } from '../../src/driver/network.ts'
import type { NetworkChange } from '../../src/driver/network-change.ts'
import { FakeCard, address, broadcast, frameOf } from '../support/fake-card.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { RuntimeFolder } from '../../src/machine/runtime-folder.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'

/** A machine as far as a network sees one: its cards. */
class FakeMachine implements AsyncDisposable {
  readonly seat: Seat
  readonly cards: readonly FakeCard[]
  hasEnded = false

  constructor(seat: Seat, cards: readonly FakeCard[]) {
    this.seat = seat
    this.cards = cards
  }

  static async boot(this: void, _options: unknown, seat: Seat): Promise<FakeMachine> {
    const cards = await Promise.all(seat.nics.map(({ socket }) => FakeCard.plugIn(socket)))
    return new FakeMachine(seat, cards)
  }

  /** Says something to everybody. */
  say(text: string, card = 0): void {
    this.cards[card]!.send(frameOf(broadcast, address(1), text))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hasEnded = true
    for (const card of this.cards) card.socket.destroy()
  }
}

let changes: NetworkChange[]
let folder: string

beforeEach(() => {
  changes = []
  folder = temporaryDirectory()
  vi.stubEnv('XDG_RUNTIME_DIR', '')
  vi.stubEnv('TMPDIR', folder)
  // Its reaper has a descriptor, and lives as long as this process.
  RuntimeFolder.create()[Symbol.dispose]()
  afterwards(() => vi.unstubAllEnvs())
})

const booter = { boot: FakeMachine.boot, memoryMiB: () => 1 }

function start<Name extends string>(
  machines: Record<Name, NetworkedOptions>,
): Promise<Network<Name, FakeMachine>> {
  const options = {
    machines,
    seed: 7,
    folder,
    onChange: (change: NetworkChange) => changes.push(change),
  }
  return startNetwork(options, booter)
}

describe('a network', () => {
  it('boots each machine with its cards, its names and its addresses', async () => {
    await using net = await start({ server: { vlans: [3, 2] }, client: { vlans: [2] }, other: {} })
    const { server, client, other } = net.machines
    expect(server.seat.hostname).toBe('server')
    expect(server.seat.nics.map(({ mac }) => mac)).toEqual([
      '52:54:00:12:03:03',
      '52:54:00:12:02:03',
    ])
    expect(server.seat.script).toContain('set_up lowerdir0 eth1 192.168.3.3 2001:db8:3::3\n')
    expect(server.seat.script).toContain('set_up lowerdir1 eth2 192.168.2.3 2001:db8:2::3\n')
    expect(client.seat.script).toContain("'192.168.2.3 server # lowerdir'")
    expect(other.seat.nics.map(({ mac }) => mac)).toEqual(['52:54:00:12:01:02'])
    expect(net.addresses('server')).toEqual({ ipv4: '192.168.3.3', ipv6: '2001:db8:3::3' })
    expect(net.addresses('server', 2).ipv4).toBe('192.168.2.3')
    expect(() => net.addresses('client', 3)).toThrow('The machine client has no NIC in VLAN 3.')

    client.say('hello')
    expect(await server.cards[1]!.texts(1)).toEqual(['hello'])
    expect(server.cards[0]!.frames).toEqual([])
  })

  it('is gone as a whole when it is disposed of', async () => {
    const before = openDescriptors()
    const net = await start({ a: {}, b: {} })
    const { a, b } = net.machines
    const { socket } = a.seat.nics[0]!
    await net[Symbol.asyncDispose]()
    expect([a.hasEnded, b.hasEnded]).toEqual([true, true])
    expect(existsSync(dirname(socket))).toBe(false)
    await expect.poll(openDescriptors).toBe(before)
  })

  it('leaves nothing behind when a machine does not boot', async () => {
    const before = openDescriptors()
    const booted: FakeMachine[] = []
    const boot = async (options: NetworkedOptions, seat: Seat): Promise<FakeMachine> => {
      if (seat.hostname === 'b') throw new Error('no kernel')
      const machine = await FakeMachine.boot(options, seat)
      booted.push(machine)
      return machine
    }
    const starting = startNetwork({ machines: { a: {}, b: {}, c: {} } }, { ...booter, boot })
    await expect(starting).rejects.toThrow('The machine b did not boot: no kernel')
    expect(booted.map(({ hasEnded }) => hasEnded)).toEqual([true, true])
    expect(existsSync(dirname(booted[0]!.seat.nics[0]!.socket))).toBe(false)
    await expect.poll(openDescriptors).toBe(before)
  })

  it('loses the same frames for the same seed', async () => {
    const heard = async (): Promise<string[]> => {
      await using net = await start({ a: {}, b: {} })
      const { a, b } = net.machines
      net.linkOneWay('a', 'b', { loss: 0.5 })
      for (let i = 0; i < 100; i++) a.say(String(i))
      const carried = (): number => net.traffic('a', 'b').arrived + net.traffic('a', 'b').lost
      await expect.poll(carried).toBe(100)
      // To be waited for here: the network ends with this function.
      return await b.cards[0]!.texts(net.traffic('a', 'b').arrived)
    }
    const first = await heard()
    expect(first.length).toBeGreaterThan(30)
    expect(first.length).toBeLessThan(70)
    expect(await heard()).toEqual(first)
  })
})

describe('links', () => {
  it('have their conditions in both directions, or in one', async () => {
    await using net = await start({ a: {}, b: {} })
    const { a, b } = net.machines
    net.link('a', 'b', { delay: 60 })
    const begin = performance.now()
    a.say('there')
    await b.cards[0]!.texts(1)
    b.say('back')
    await a.cards[0]!.texts(1)
    expect(performance.now() - begin).toBeGreaterThanOrEqual(120)
    // With these neither would arrive within the test's time.
    net.link('a', 'b', { delay: 3_600_000 })
    net.link('a', 'b', {})
    a.say('at once')
    await b.cards[0]!.texts(2)
    b.say('at once')
    await a.cards[0]!.texts(2)
    net.linkOneWay('b', 'a', { loss: 1 })
    b.say('lost')
    a.say('heard')
    expect(await b.cards[0]!.texts(3)).toEqual(['there', 'at once', 'heard'])
    await expect.poll(() => net.traffic('b', 'a')).toMatchObject({ arrived: 2, lost: 1 })
    expect(changes).toHaveLength(7)
    expect(changes[0]).toEqual({ kind: 'link', from: 'a', to: 'b', conditions: { delay: 60 } })
  })

  it('refuse an unknown machine, and conditions out of their range', async () => {
    await using net = await start({ a: {}, b: {} })
    const loose = net as Network<string, FakeMachine>
    expect(() => loose.link('a', 'c', {})).toThrow(
      'There is no machine c in this network, only a, b.',
    )
    expect(() => loose.block('c')).toThrow('no machine c')
    expect(() => loose.partition(['a'], ['d'])).toThrow('no machine d')
    expect(() => loose.capture('x.pcap', { link: ['a', 'e'] })).toThrow('no machine e')
    expect(() => net.link('a', 'a', {})).toThrow('There is no link from the machine a to itself.')
    expect(() => net.link('a', 'b', { loss: 2 })).toThrow('loss is 2')
    expect(changes).toEqual([])
  })
})

describe('a partition', () => {
  /** Who hears what each machine says, as `a:bc`. */
  async function audiences<Name extends string>(
    net: Network<Name, FakeMachine>,
  ): Promise<string[]> {
    const machines = Object.entries<FakeMachine>(net.machines)
    const audience: string[] = []
    for (const [name, machine] of machines) {
      const others = machines.filter(([other]) => other !== name)
      const before = others.map(([, { cards }]) => cards[0]!.frames.length)
      machine.say(name)
      const done = (): boolean =>
        others.every(([other], i) => {
          const { cut } = net.traffic(name as Name, other as Name)
          const frames = others[i]![1].cards[0]!.frames.length
          return frames > before[i]! || cut > cuts(name, other)
        })
      await expect.poll(done).toBe(true)
      const heard = others.filter(([, { cards }], i) => cards[0]!.frames.length > before[i]!)
      for (const [other] of others)
        remember(name, other, net.traffic(name as Name, other as Name).cut)
      audience.push(`${name}:${heard.map(([other]) => other).join('')}`)
    }
    return audience
  }

  let known: Map<string, number>
  const cuts = (from: string, to: string): number => known.get(from + to) ?? 0
  const remember = (from: string, to: string, cut: number): void => void known.set(from + to, cut)

  beforeEach(() => {
    known = new Map()
  })

  it('separates its sides from each other and from no other machine, until it is healed', async () => {
    await using net = await start({ a: {}, b: {}, c: {}, d: {} })
    expect(await audiences(net)).toEqual(['a:bcd', 'b:acd', 'c:abd', 'd:abc'])
    net.partition(['a'], ['b', 'c'])
    expect(await audiences(net)).toEqual(['a:d', 'b:cd', 'c:bd', 'd:abc'])
    net.partition('b', 'c')
    expect(await audiences(net)).toEqual(['a:d', 'b:d', 'c:d', 'd:abc'])
    net.heal()
    expect(await audiences(net)).toEqual(['a:bcd', 'b:acd', 'c:abd', 'd:abc'])
    expect(changes.map(({ kind }) => kind)).toEqual(['partition', 'partition', 'heal'])
  })

  it('with one side separates it from all other machines', async () => {
    await using net = await start({ a: {}, b: {}, c: {} })
    net.partition(['a', 'b'])
    expect(await audiences(net)).toEqual(['a:b', 'b:a', 'c:'])
    expect(changes).toEqual([{ kind: 'partition', sides: [['a', 'b'], ['c']] }])
  })

  it('has each machine on one side', async () => {
    await using net = await start({ a: {}, b: {} })
    expect(() => net.partition(['a', 'b'], 'a')).toThrow('The machine a cannot be on two sides')
  })

  it('is independent of a machine’s cables', async () => {
    await using net = await start({ a: {}, b: {}, c: {} })
    net.block('a')
    net.partition('b', 'c')
    net.heal()
    net.machines.a.say('unheard')
    net.machines.b.say('from b')
    expect(await net.machines.c.cards[0]!.texts(1)).toEqual(['from b'])
    expect(net.machines.a.cards[0]!.frames).toEqual([])
    net.unblock('a')
    expect(await audiences(net)).toEqual(['a:bc', 'b:ac', 'c:ab'])
    // A machine may do it as well.
    net.machines.a.seat.block()
    net.machines.b.say('without a')
    await net.machines.c.cards[0]!.texts(4)
    expect(net.traffic('b', 'a').cut).toBeGreaterThan(0)
    net.machines.a.seat.unblock()
    expect(await audiences(net)).toEqual(['a:bc', 'b:ac', 'c:ab'])
  })
})

it('writes captures into its folder, complete when it is over', async () => {
  const net = await start({ a: {}, b: {} })
  net.capture('all.pcap')
  net.machines.a.say('captured')
  await net.machines.b.cards[0]!.texts(1)
  await net[Symbol.asyncDispose]()
  expect(readFileSync(join(folder, 'all.pcap'), 'latin1')).toContain('captured')
  expect(changes).toEqual([{ kind: 'capture', file: join(folder, 'all.pcap') }])
})
