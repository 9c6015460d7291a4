import { expect, it } from 'vitest'
import {
  hostsLines,
  ipv4Address,
  ipv6Address,
  macAddress,
  stationsOf,
} from '../../src/network/addresses.ts'

it('numbers machines in the order of their names', () => {
  expect(stationsOf({ server: [1, 2], client: [1] })).toEqual([
    { name: 'client', number: 1, vlans: [1] },
    { name: 'server', number: 2, vlans: [1, 2] },
  ])
})

it('gives the addresses that NixOS gives', () => {
  expect(macAddress(1, 2)).toBe('52:54:00:12:01:02')
  expect(macAddress(200, 30)).toBe('52:54:00:12:c8:1e')
  expect(ipv4Address(200, 30)).toBe('192.168.200.30')
  expect(ipv6Address(200, 30)).toBe('2001:db8:200::30')
})

it('lets machines find each other, and themselves, where both can be reached', () => {
  const stations = stationsOf({ client: [2], router: [1, 2], server: [1], silent: [] })
  const lines = (name: string): string[] =>
    hostsLines(
      stations.find((each) => each.name === name)!,
      stations,
    )
  expect(lines('client')).toEqual([
    '192.168.2.1 client',
    '2001:db8:2::1 client',
    '192.168.2.2 router',
    '2001:db8:2::2 router',
    '192.168.1.3 server',
    '2001:db8:1::3 server',
  ])
  expect(lines('server').slice(2, 4)).toEqual(['192.168.1.2 router', '2001:db8:1::2 router'])
  expect(lines('router')[0]).toBe('192.168.2.1 client')
})

it('refuses what has no address', () => {
  const wrong: [string, readonly number[], string][] = [
    ['my_machine', [1], "'my_machine' cannot be the name of a machine"],
    ['-x', [1], "'-x' cannot"],
    ['', [1], "'' cannot"],
    ['x'.repeat(64), [1], 'cannot'],
    ['a b', [1], 'cannot'],
    ['a', [0], 'The machine a is in VLAN 0: the number of a VLAN has to be from 1 to 254.'],
    ['a', [255], 'VLAN 255'],
    ['a', [1.5], 'VLAN 1.5'],
    ['a', [1, 2, 1], 'The machine a is in one VLAN twice (1, 2, 1): it can have one NIC in each.'],
  ]
  for (const [name, vlans, message] of wrong)
    expect(() => stationsOf({ [name]: vlans })).toThrow(message)
  const many = Object.fromEntries(Array.from({ length: 255 }, (_, i) => [`m${i}`, [1]]))
  expect(() => stationsOf(many)).toThrow(
    'A network can have 254 machines at most; this one has 255.',
  )
})
