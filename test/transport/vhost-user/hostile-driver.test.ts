import { describe, expect, it, vi } from 'vitest'
import { deviceKinds } from '../../support/vhost-user/device-kinds.ts'
import { INDIRECT, NEXT, WRITE } from '../../support/vhost-user/driver-queue.ts'
import { u32s, vringAddress } from '../../support/vhost-user/frontend.ts'
import { PAGE } from '../../support/vhost-user/guest-ram.ts'
import { Liar } from '../../support/vhost-user/liar.ts'

const MIB = 2 ** 20

const outside = "a descriptor points outside of the guest's memory"

describe.each(deviceKinds)('$name', (kind) => {
  describe('a descriptor index out of range', () => {
    const liar = Liar.onOneEngine(kind)

    it.each([128, 129, 0xffff])('as the head of a chain: %i', async (head) => {
      liar.device.start()
      liar.device.queue.offer(head)
      liar.device.kick()
      await liar.expectStopped(`a chain that begins at ${head} in a table of 128`)
    })

    it.each([128, 0xffff])('in the middle of a chain: %i', async (next) => {
      liar.tell(() => liar.put(0, liar.request(), liar.requestBytes, NEXT, next))
      await liar.expectStopped(`a chain that goes on at ${next} in a table of 128`)
    })

    it('in an indirect table, though the queue’s own table has it', async () => {
      liar.tell(() => liar.putTable([[liar.request(), liar.requestBytes, NEXT, 1]]))
      await liar.expectStopped('a chain that goes on at 1 in a table of 1')
    })
  })

  describe('a chain that leads back into itself', () => {
    const liar = Liar.onOneEngine(kind)

    it.each(['as long as a request', 'empty'])('with descriptors that are %s', async (how) => {
      liar.tell(() => {
        const length = how === 'empty' ? 0 : liar.requestBytes
        liar.put(0, liar.request(), length, NEXT, 1)
        liar.put(1, liar.request(), length, NEXT, 0)
      })
      await liar.expectStopped('a chain without an end')
    })

    it('in an indirect table', async () => {
      liar.tell(() => liar.putTable([[liar.request(), liar.requestBytes, NEXT, 0]]))
      await liar.expectStopped('a chain without an end')
    })

    it('in what is to be written', async () => {
      liar.tell(() => {
        liar.put(0, liar.request(), liar.requestBytes, NEXT, 1)
        liar.put(1, liar.device.heap.need(PAGE), PAGE, NEXT | WRITE, 1)
      })
      await liar.expectStopped('a chain without an end')
    })
  })

  describe('a chain longer than any queue', () => {
    const liar = Liar.onOneEngine(kind)

    it('in an indirect table', async () => {
      liar.tell(() =>
        liar.putTable(
          Array.from({ length: 1024 }, (_, i) => [
            liar.request(),
            1,
            i < 1023 ? NEXT : WRITE,
            i + 1,
          ]),
        ),
      )
      await liar.expectStopped('a chain without an end')
    })
  })

  describe('a descriptor outside of the guest’s memory', () => {
    const liar = Liar.onOneEngine(kind)

    const places: [string, number | bigint, number][] = [
      ['in a hole', 0xb0000, 100],
      ['right behind the end of a region', 0xa0000, 1],
      ['reaching one byte over the end of a region', 0xa0000 - 99, 100],
      ['from one region to the next over a hole', 0xa0000 - PAGE, 2 * PAGE + 0x60000],
      ['behind all regions', 2 ** 32 + 16 * MIB, 1],
      ['reaching one byte over the end of the last one', 2 ** 32 + 16 * MIB - 99, 100],
      ['of as many bytes as a length can say', 2 ** 32, 0xffff_ffff],
      ['with a length that wraps', 0xffff_ffff_ffff_f000n, 2 * PAGE],
      ['with a length that wraps to nothing', 0xffff_ffff_ffff_ffffn, 1],
      ['at an address that is no exact number', 2n ** 63n + 1n, 100],
    ]

    it.each(places)('%s, to be read', async (_where, address, length) => {
      liar.tell(() => {
        liar.put(0, address, length, NEXT, 1)
        liar.put(1, liar.device.heap.need(100), 100, WRITE)
      })
      await liar.expectStopped(outside)
    })

    it.each(places)('%s, to be written', async (_where, address, length) => {
      liar.tell(() => {
        liar.put(0, liar.request(), liar.requestBytes, NEXT, 1)
        liar.put(1, address, length, WRITE)
      })
      await liar.expectStopped(outside)
    })
  })

  describe('an indirect table', () => {
    const liar = Liar.onOneEngine(kind)

    it('inside of an indirect table', async () => {
      liar.tell(() => liar.putTable([[liar.device.heap.need(16), 16, INDIRECT]]))
      await liar.expectStopped('an indirect table inside an indirect table')
    })

    it('that is itself', async () => {
      const { queue } = liar.device
      liar.tell(() => liar.put(0, queue.descriptors, 16, INDIRECT))
      await liar.expectStopped('an indirect table inside an indirect table')
    })

    it('in the middle of a chain', async () => {
      liar.tell(() => {
        liar.put(0, liar.device.heap.need(16), 16, INDIRECT | NEXT, 1)
        liar.put(1, liar.device.heap.need(100), 100, WRITE)
      })
      await liar.expectStopped('an indirect table in the middle of a chain')
    })

    it.each([0, 8, 15, 17, 100, 16 * 1025, 0xffff_fff0])('of %i bytes', async (bytes) => {
      liar.tell(() => liar.putTable([], bytes))
      await liar.expectStopped(`an indirect table of ${bytes} bytes`)
    })

    it.each([
      ['in a hole', 0xb0000],
      ['over the end of a region', 0xa0000 - 16],
      ['at the end of the address space', 0xffff_ffff_ffff_fff0n],
    ])('%s', async (_where, address) => {
      liar.tell(() => liar.put(0, address, 32, INDIRECT))
      await liar.expectStopped("an indirect table outside of the guest's memory")
    })

    it('that was not agreed upon', async () => {
      liar.device.close()
      liar.connect({ indirect: false })
      liar.tell(() => liar.putTable([[liar.request(), liar.requestBytes, 0]]))
      await liar.expectStopped('an indirect table, which was not agreed upon')
    })
  })

  describe('rings that cannot be', () => {
    const liar = Liar.onOneEngine(kind)

    interface Wrong {
      readonly size?: number
      readonly descriptors?: number
      readonly available?: number
      readonly used?: number
    }

    /** Starts the device with something of its rings told wrongly, in the addresses that frontends use. */
    function startWith(wrong: Wrong): void {
      const { queue, ram, frontend } = liar.device
      liar.device.configure()
      frontend.send('SET_VRING_NUM', u32s(0, wrong.size ?? queue.size))
      const { descriptors: table, used, available } = queue
      const right = [table, used, available].map((address) => ram.userAddress(address))
      const told = [wrong.descriptors, wrong.used, wrong.available].map(
        (each, i) => each ?? right[i]!,
      )
      frontend.send('SET_VRING_ADDR', vringAddress(...(told as [number, number, number])))
      frontend.send('SET_VRING_ENABLE', u32s(0, 1))
      frontend.settle()
    }

    const inHole = 0x7f20_0000_0000
    /** Behind the last byte of the first region. */
    const end = 0x7f50_000a_0000

    it.each<[string, Wrong, string]>([
      ['a table in no memory', { descriptors: inHole }, 'the descriptor table is outside of'],
      ['a table over the end', { descriptors: end - 2032 }, 'the descriptor table is outside of'],
      ['an available ring in no memory', { available: inHole }, 'the available ring is outside of'],
      ['an available ring over the end', { available: end - 260 }, 'the available ring is outside'],
      ['a used ring in no memory', { used: inHole }, 'the used ring is outside of'],
      ['a used ring over the end', { used: end - 1028 }, 'the used ring is outside of'],
      ['a table that is not aligned', { descriptors: end - 4088 }, 'the descriptor table is not'],
      ['an available ring that is not', { available: end - 4095 }, 'the available ring is not'],
      ['a used ring that is not', { used: end - 4094 }, 'the used ring is not'],
      ['no entries', { size: 0 }, 'a queue of 0 entries'],
      ['a size that is no power of two', { size: 127 }, 'a queue of 127 entries'],
      ['more entries than any queue', { size: 2048 }, 'a queue of 2048 entries'],
      ['entries without an end', { size: 0x8000_0000 }, 'a queue of 2147483648 entries'],
    ])('%s', async (_what, wrong, reason) => {
      startWith(wrong)
      await vi.waitFor(() => expect(liar.said[0]).toContain(`the device has stopped: ${reason}`))
      await liar.expectStopped(liar.said[0]!.slice('the device has stopped: '.length))
    })
  })

  describe('an available index that jumps', () => {
    const liar = Liar.onOneEngine(kind)

    it.each([129, 1000, 0x8000, 0xffff])('by %i', async (steps) => {
      liar.device.start()
      Atomics.add(liar.device.queue.availableWords, 1, steps)
      liar.device.kick()
      await liar.expectStopped(`${steps} chains at once in a queue of 128`)
    })
  })

  describe('something to read behind something to write', () => {
    const liar = Liar.onOneEngine(kind)

    it('is no chain', async () => {
      liar.tell(() => {
        liar.put(0, liar.device.heap.need(100), 100, WRITE | NEXT, 1)
        liar.put(1, liar.request(), liar.requestBytes, 0)
      })
      await liar.expectStopped('a chain in which something to read follows something to write')
    })
  })
})
