import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RequestName } from '../../../src/transport/vhost-user/requests.ts'
import { openDescriptors } from '../../support/descriptors.ts'
import { CountingDevice, IMPOSSIBLE, LATER } from '../../support/vhost-user/counting-device.ts'
import { u32s, u64, vringAddress } from '../../support/vhost-user/frontend.ts'
import { ManyQueues } from '../../support/vhost-user/many-queues.ts'

/** As long as that of a virtio-fs device (virtio 1.3, 5.11.4), and what it says is the device's own. */
const config = Uint8Array.from({ length: 44 }, (_, i) => i + 1)

let device: CountingDevice
let machine: ManyQueues

beforeEach(() => {
  device = new CountingDevice(config)
  machine = new ManyQueues(device)
})

afterEach(() => machine[Symbol.dispose]())

/** Both queues run. */
function running(): void {
  machine.negotiate(device.features).start(0).start(1)
}

describe('a front end is told', () => {
  it('the device’s own features, and none of another type of device', () => {
    const { frontend } = machine
    expect(frontend.ask('GET_FEATURES').readBigUInt64LE()).toBe(0x1_7000_0020n)
    expect(frontend.ask('GET_PROTOCOL_FEATURES').readBigUInt64LE()).toBe(0x209n)
    expect(frontend.ask('GET_QUEUE_NUM').readBigUInt64LE()).toBe(2n)
  })

  it('its configuration space, and nothing of what lies behind it', () => {
    const { frontend } = machine
    expect([...frontend.ask('GET_CONFIG', u32s(0, 44, 0)).subarray(12)]).toEqual([...config])
    expect([...frontend.ask('GET_CONFIG', u32s(40, 4, 0)).subarray(12)]).toEqual([41, 42, 43, 44])
    expect(frontend.ask('GET_CONFIG', u32s(0, 45, 0)).length).toBe(0)
  })

  it('that there is no configuration space, where there is none', () => {
    using plain = new ManyQueues(new CountingDevice(new Uint8Array()))
    expect(plain.frontend.ask('GET_PROTOCOL_FEATURES').readBigUInt64LE()).toBe(0x9n)
    expect(plain.frontend.ask('GET_CONFIG', u32s(0, 1, 0)).length).toBe(0)
  })

  it('the index at which each queue would go on', () => {
    machine.frontend.send('SET_VRING_BASE', u32s(0, 7))
    machine.frontend.send('SET_VRING_BASE', u32s(1, 8))
    expect([machine.stop(0), machine.stop(1)]).toEqual([7, 8])
  })
})

describe('a queue that the device does not have', () => {
  const address = vringAddress(0, 0, 0)
  address.writeUInt32LE(2)
  const requests: [RequestName, Buffer][] = [
    ['SET_VRING_NUM', u32s(2, 128)],
    ['SET_VRING_ADDR', address],
    ['SET_VRING_BASE', u32s(2, 0)],
    ['GET_VRING_BASE', u32s(2, 0)],
    ['SET_VRING_KICK', u64(2)],
    ['SET_VRING_CALL', u64(2)],
    ['SET_VRING_ENABLE', u32s(2, 1)],
  ]

  it.each(requests)('is refused: %s', (name, payload) => {
    machine.frontend.send(name, payload, name.endsWith('CALL') ? [machine.queues[0]!.callFd] : [])
    machine.turn()
    expect(machine.end).toBe('queue 2, where the last is queue 1')
  })
})

describe('two queues', () => {
  it('are served and notified apart, and the device sees both', () => {
    running()
    machine.send(0, 'one')
    expect([machine.answers(0), machine.calls(0), machine.calls(1)]).toEqual([
      ['one in 0, 1 in all'],
      1,
      0,
    ])
    machine.send(1, 'two')
    expect([machine.answers(1), machine.calls(0), machine.calls(1)]).toEqual([
      ['two in 1, 2 in all'],
      0,
      1,
    ])
    machine.send(0, 'a request without an answer', 0)
    expect(machine.answers(0)).toEqual([''])
  })

  it('have answers that come later, each in its own', () => {
    running()
    machine.send(0, LATER)
    machine.send(1, LATER)
    expect([machine.answers(0), machine.answers(1)]).toEqual([[], []])
    device.waiting[1]!()
    expect([machine.answers(0), machine.answers(1)]).toEqual([[], ['later in 1, 2 in all']])
    device.waiting[0]!()
    expect(machine.answers(0)).toEqual(['later in 0, 2 in all'])
  })

  it('take answers of more bytes than lie in one place', () => {
    running()
    const { driver } = machine.queues[1]!
    const room = [1, 3, 4096, 100].map((length) => ({
      address: machine.heap.need(length),
      length,
      isWritable: true,
    }))
    const asked = machine.heap.need(4)
    machine.ram.bytes(asked, 4).write('many')
    driver.add([{ address: asked, length: 4, isWritable: false }, ...room])
    machine.send(1, 'next')
    const answer = room.map(({ address, length }) => machine.ram.bytes(address, length))
    expect(Buffer.concat(answer).toString('latin1', 0, 19)).toBe('many in 1, 1 in all')
  })

  it('may be started one long after the other', () => {
    machine.negotiate(device.features).start(1)
    machine.send(1, LATER)
    machine.start(0)
    machine.send(0, 'hello')
    device.waiting[0]!()
    expect([machine.answers(0), machine.answers(1), device.resets]).toEqual([
      ['hello in 0, 2 in all'],
      ['later in 1, 2 in all'],
      0,
    ])
  })
})

describe('a machine that ends', () => {
  it('leaves nothing open', () => {
    const before = openDescriptors()
    {
      using other = new ManyQueues(device)
      other.negotiate(device.features).start(0).start(1).send(1, LATER)
      expect(openDescriptors()).toBeGreaterThan(before)
    }
    expect([openDescriptors(), device.resets]).toEqual([before, 1])
  })
})

describe('a queue that is stopped', () => {
  it('leaves the other alone, and goes on with what there is', () => {
    running()
    machine.send(1, 'before')
    expect(machine.answers(1)).toEqual(['before in 1, 1 in all'])
    const base = machine.stop(1)
    expect(base).toBe(1)
    machine.send(1, 'meanwhile')
    machine.send(0, 'here')
    expect([machine.answers(0), machine.answers(1)]).toEqual([['here in 0, 2 in all'], []])
    machine.start(1, base).send(1, 'after')
    expect(machine.answers(1)).toEqual(['meanwhile in 1, 3 in all', 'after in 1, 4 in all'])
    expect([device.resets, machine.log]).toEqual([0, []])
  })

  it('has its answers when it goes on', () => {
    running()
    machine.send(0, LATER)
    machine.send(1, LATER)
    const base = machine.stop(1)
    for (const answer of device.waiting.splice(0)) answer()
    expect([machine.answers(0), machine.answers(1)]).toEqual([['later in 0, 2 in all'], []])
    machine.start(1, base)
    expect(machine.answers(1)).toEqual(['later in 1, 2 in all'])
  })

  it('goes on with the other after a pause of both', () => {
    running()
    machine.send(0, LATER)
    machine.send(1, LATER)
    const bases = [machine.stop(0), machine.stop(1)]
    machine.negotiate(device.features).start(0, bases[0]).start(1, bases[1])
    for (const answer of device.waiting.splice(0)) answer()
    expect([machine.answers(0), machine.answers(1)]).toEqual([
      ['later in 0, 2 in all'],
      ['later in 1, 2 in all'],
    ])
    expect(device.resets).toBe(0)
  })
})

describe('another driver', () => {
  it('finds nothing of the one before, in either queue', () => {
    running()
    machine.send(0, LATER)
    machine.send(1, LATER)
    const late = [...device.waiting]
    machine.stop(0)
    machine.stop(1)
    for (const queue of machine.queues) queue.driver = machine.newDriver()
    machine.start(0)
    machine.send(0, 'new')
    machine.start(1)
    machine.send(1, 'new')
    for (const answer of late) answer()
    expect([machine.answers(0), machine.answers(1)]).toEqual([
      ['new in 0, 1 in all'],
      ['new in 1, 2 in all'],
    ])
    expect(device.resets).toBe(1)
  })
})

describe('a driver that breaks the rules in one queue', () => {
  const lies: [string, () => void, string][] = [
    [
      'by its ring',
      () => {
        machine.queues[1]!.driver.offer(9999)
        machine.send(1, 'never')
      },
      'a chain that begins at 9999 in a table of 128',
    ],
    ['by a request', () => machine.send(1, IMPOSSIBLE), 'a request that is impossible'],
  ]

  it.each(lies)('stops the whole device, with one line: %s', (_how, lie, reason) => {
    running()
    machine.send(0, LATER)
    lie()
    expect([machine.log, device.resets]).toEqual([[`the device has stopped: ${reason}`], 1])
    machine.send(0, 'still there?')
    machine.send(1, 'still there?')
    expect([machine.answers(0), machine.answers(1)]).toEqual([[], []])
    expect([machine.log.length, machine.end]).toEqual([1, undefined])
  })

  it.each(lies)('has a working device again after a reset of both queues: %s', (_how, lie) => {
    running()
    lie()
    // The other one has run as well, so the device is not reset yet.
    machine.stop(1)
    machine.queues[1]!.driver = machine.newDriver()
    machine.start(1)
    machine.send(1, 'too early')
    expect(machine.answers(1)).toEqual([])
    machine.stop(0)
    machine.stop(1)
    for (const queue of machine.queues) queue.driver = machine.newDriver()
    machine.start(0).start(1)
    machine.send(0, 'hello')
    machine.send(1, 'again')
    expect([machine.answers(0), machine.answers(1)]).toEqual([
      ['hello in 0, 1 in all'],
      ['again in 1, 2 in all'],
    ])
  })

  it('stops it as well where a ring cannot be served at all', () => {
    machine.negotiate(device.features).start(0)
    machine.frontend.send('SET_VRING_NUM', u32s(1, 3))
    machine.frontend.send('SET_VRING_ADDR', Buffer.concat([u32s(1, 0), Buffer.alloc(32)]))
    machine.frontend.send('SET_VRING_KICK', u64(1), [machine.queues[1]!.kickFd])
    machine.frontend.send('SET_VRING_ENABLE', u32s(1, 1))
    machine.turn()
    expect(machine.log).toEqual(['the device has stopped: a queue of 3 entries'])
    machine.send(0, 'still there?')
    expect(machine.answers(0)).toEqual([])
  })
})
