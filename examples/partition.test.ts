// Three machines in one network: a primary serves a value, and two replicas follow it. In the second test the network
// cuts one replica off from the others.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Machine, type Network, debianRoot, network } from 'lowerdir'

const FOLLOW = `while :; do
  curl -sf --max-time 5 http://primary/value -o /tmp/new && mv /tmp/new /tmp/value
  sleep 0.2
done`

let net: Network<'primary' | 'near' | 'far', Machine>

beforeAll(async () => {
  const { folder: root } = await debianRoot({ include: ['nginx-light', 'curl'] })
  // One program runs without systemd.
  const options = { root, init: 'none', memory: '384M' } as const
  net = await network({ machines: { primary: options, near: options, far: options } })
  await net.machines.primary.succeed('nginx')
  await publish('one')
  for (const replica of [net.machines.near, net.machines.far]) void replica.exec(FOLLOW)
})

afterAll(() => net?.[Symbol.asyncDispose]())

function publish(value: string): Promise<void> {
  return net.machines.primary.writeFile('/var/www/html/value', value)
}

async function follows(replica: 'near' | 'far', value: string): Promise<void> {
  await net.machines[replica].waitUntilSucceeds(`[ "$(cat /tmp/value)" = ${value} ]`, {
    timeout: 60,
  })
}

test('both replicas follow the primary, also over a slow link', async () => {
  net.link('primary', 'far', { delay: 100, jitter: 20 })
  await follows('near', 'one')
  await follows('far', 'one')
  net.link('primary', 'far', {})
})

test('a replica that is cut off keeps its value, and catches up', async () => {
  using capture = net.capture('/tmp/lowerdir-partition.pcap', { link: ['primary', 'far'] })
  net.partition('far')
  await publish('two')
  await follows('near', 'two')
  await net.machines.far.fail('curl -sf --max-time 2 http://primary/value')
  expect(await net.machines.far.readFile('/tmp/value', 'utf8')).toBe('one')

  net.heal()
  await follows('far', 'two')
  expect(capture.frames).toBeGreaterThan(0)
})

test('a machine with its cables pulled out reaches no other machine', async () => {
  const { near, far } = net.machines
  near.block()
  await near.fail('curl -sf --max-time 2 http://primary/value')
  await far.succeed('curl -sf --max-time 20 http://primary/value')
  near.unblock()
  await near.waitUntilSucceeds('curl -sf --max-time 20 http://primary/value', { timeout: 60 })
})
