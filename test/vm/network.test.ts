import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { quote } from '../../src/util/shell.ts'
import type { QemuMachine } from '../../src/machine/qemu-machine.ts'
import type { Network } from '../../src/driver/network.ts'
import { type Booter, type NetworkedOptions, startNetwork } from '../../src/driver/start-network.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { bootMachine, sh } from '../support/vm-machine.ts'

/** The busybox that every guest has. */
const busybox = '/run/lowerdir/busybox'

const booter: Booter<NetworkedOptions, QemuMachine> = {
  memoryMiB: () => 256,
  async boot(_options, { hostname, nics, script, signal }) {
    const machine = await bootMachine({
      hostname,
      memoryMiB: 256,
      signal,
      qemuArguments: nics.flatMap(({ socket, mac }, i) => [
        '-netdev',
        `stream,id=vlan${i},server=off,addr.type=unix,addr.path=${socket}`,
        '-device',
        `virtio-net-pci,netdev=vlan${i},mac=${mac},romfile=`,
      ]),
    })
    const { status, stderr } = await sh(machine, `${busybox} sh -c ${quote(script)}`)
    if (status !== 0) throw new Error(stderr)
    return machine
  },
}

let net: Network<'client' | 'server' | 'far', QemuMachine>

beforeAll(async () => {
  const machines = { client: {}, server: { vlans: [1, 2] }, far: { vlans: [2] } }
  net = await startNetwork({ machines, seed: 1 }, booter)
})

afterAll(async () => {
  await net[Symbol.asyncDispose]()
})

type Name = keyof typeof net.machines

/** Sends two pings, a second after each other, and waits for replies that come late on a busy machine. */
async function ping(
  from: Name,
  to: string,
  options = '-c 2 -W 60',
): Promise<{ readonly replies: number; readonly milliseconds: number }> {
  const script = `${busybox} ping ${options} ${to}`
  const { stdout } = await sh(net.machines[from], script)
  const times = [...stdout.matchAll(/time=([\d.]+) ms/g)].map(([, time]) => Number(time))
  return { replies: times.length, milliseconds: Math.min(...times) }
}

/** Sends one ping. A reply might come after the second that is waited for; the counters tell where frames went. */
async function expectNoReply(from: Name, to: string): Promise<void> {
  expect((await ping(from, to, '-c 1 -W 1')).replies).toBe(0)
}

/** Sends a ping that is cut off on its way, as all other frames. */
async function expectCut(from: Name, to: Name): Promise<void> {
  const before = net.traffic(from, to)
  await expectNoReply(from, to)
  const { arrived, cut } = net.traffic(from, to)
  expect(arrived).toBe(before.arrived)
  expect(cut).toBeGreaterThan(before.cut)
}

async function out(machine: Name, script: string): Promise<string> {
  const { status, stdout, stderr } = await sh(net.machines[machine], script)
  expect(stderr).toBe('')
  expect(status).toBe(0)
  return stdout
}

describe('machines of a network', () => {
  it('have their cards by name, with their addresses', async () => {
    const addresses = await out('server', `${busybox} ip -o addr`)
    expect(addresses).toMatch(/eth1 .*inet 192\.168\.1\.3\/24 brd 192\.168\.1\.255/)
    expect(addresses).toMatch(/eth1 .*inet6 2001:db8:1::3\/64/)
    expect(addresses).toMatch(/eth2 .*inet 192\.168\.2\.3\/24/)
    expect(addresses).not.toMatch(/2001:db8:.*tentative/)
    expect(await out('server', `${busybox} ip link show eth2`)).toContain('52:54:00:12:02:03')
    // Named by a program (NET_NAME_RENAMED): systemd's udev leaves it alone.
    expect(await out('server', 'cat /sys/class/net/eth1/name_assign_type')).toBe('4\n')
  })

  it('reach each other by name, over IPv4 and IPv6, in the VLAN that they share', async () => {
    expect((await ping('client', 'server')).replies).toBe(2)
    expect((await ping('client', '-4 server')).replies).toBe(2)
    expect((await ping('server', 'client')).replies).toBe(2)
    expect((await ping('server', 'far')).replies).toBe(2)
    expect((await ping('far', 'server')).replies).toBe(2)
    expect(await out('far', 'head -n 5 /etc/hosts')).toContain('192.168.2.3 server')
    expect(await out('client', 'head -n 6 /etc/hosts')).toContain('192.168.1.3 server')
  })

  it('do not reach a machine in another VLAN, whatever address they take', async () => {
    await out('client', `${busybox} ip addr add 192.168.2.77/24 dev eth1`)
    const before = net.traffic('client', 'server').arrived
    await expectNoReply('client', '192.168.2.2')
    // What asks for the address has gone to the VLAN that the client is in.
    expect(net.traffic('client', 'server').arrived).toBeGreaterThan(before)
    expect(net.traffic('client', 'far').arrived).toBe(0)
    await out('client', `${busybox} ip addr del 192.168.2.77/24 dev eth1`)
  })
})

describe('a link', () => {
  it('takes its delay in both directions', async () => {
    await ping('client', 'server')
    net.link('client', 'server', { delay: 150 })
    const { replies, milliseconds } = await ping('client', 'server')
    expect(replies).toBe(2)
    expect(milliseconds).toBeGreaterThanOrEqual(300)
    net.link('client', 'server', {})
  })

  it('loses what it is to lose', async () => {
    net.linkOneWay('server', 'client', { loss: 1 })
    const there = net.traffic('client', 'server').arrived
    const back = net.traffic('server', 'client')
    await expectNoReply('client', '192.168.1.3')
    await expect.poll(() => net.traffic('server', 'client').lost).toBeGreaterThan(back.lost)
    expect(net.traffic('client', 'server').arrived).toBeGreaterThan(there)
    expect(net.traffic('server', 'client').arrived).toBe(back.arrived)
    net.link('client', 'server', {})
    expect((await ping('client', '192.168.1.3')).replies).toBe(2)
  })

  it('is interrupted by a partition until that heals', async () => {
    net.partition('client')
    await expectCut('client', 'server')
    expect((await ping('server', 'far')).replies).toBe(2)
    net.heal()
    expect((await ping('client', 'server')).replies).toBe(2)
  })

  it('ends at a machine whose cables are pulled out', async () => {
    net.block('server')
    await expectCut('client', 'server')
    await expectCut('far', 'server')
    net.unblock('server')
    expect((await ping('client', 'server')).replies).toBe(2)
  })

  it('carries a megabyte and every byte of it, also where it is slow and loses some', async () => {
    net.link('client', 'server', { delay: 5, jitter: 3, loss: 0.01, bandwidth: 20_000_000 })
    const make = 'head -c 1048576 /dev/urandom >/tmp/served/bytes && sha256sum </tmp/served/bytes'
    const sum = await out('server', `mkdir /tmp/served && ${make}`)
    await out('server', `${busybox} httpd -p 8000 -h /tmp/served >/dev/null 2>&1`)
    const fetched = `${busybox} wget -q -O - http://server:8000/bytes`
    expect(await out('client', `${fetched} | sha256sum`)).toBe(sum)
    expect(net.traffic('server', 'client').lost).toBeGreaterThan(0)
    net.link('client', 'server', {})
  })
})

it('is seen in a capture', async () => {
  const file = join(temporaryDirectory(), 'link.pcap')
  {
    using capture = net.capture(file, { link: ['client', 'server'] })
    await ping('client', '-p 6b 192.168.1.3')
    expect(capture.frames).toBeGreaterThanOrEqual(4)
  }
  const bytes = readFileSync(file)
  expect(bytes.readUInt32LE()).toBe(0xa1b2c3d4)
  // The pattern that the pings are filled with, from there and back.
  expect(bytes.toString('latin1').split('k'.repeat(20)).length).toBeGreaterThanOrEqual(5)
})
