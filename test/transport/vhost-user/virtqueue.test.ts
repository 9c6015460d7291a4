import { openSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { GuestMemory } from '../../../src/transport/vhost-user/guest-memory.ts'
import { Virtqueue } from '../../../src/transport/vhost-user/virtqueue.ts'
import { afterwards } from '../../support/temporary.ts'
import { DriverQueue } from '../../support/vhost-user/driver-queue.ts'
import { GuestHeap } from '../../support/vhost-user/guest-heap.ts'
import { GuestRam } from '../../support/vhost-user/guest-ram.ts'

/** Both sides of a queue whose indices begin at `start`. */
function made(
  start: number,
  eventIndex = true,
  size = 16,
): { driver: DriverQueue; device: Virtqueue } {
  const ram = new GuestRam()
  const driver = new DriverQueue(ram, new GuestHeap(ram), {
    size,
    eventIndex,
    indirect: false,
    start,
  })
  const guest = new GuestMemory(
    ram.regions,
    ram.files.map((fd) => openSync(`/proc/self/fd/${fd}`, 'r+')),
  )
  afterwards(() => {
    guest.close()
    ram.close()
  })
  const [descriptors, available, used] = [driver.descriptors, driver.available, driver.used].map(
    (address) => ram.userAddress(address),
  ) as [number, number, number]
  const device = new Virtqueue(guest, { size, descriptors, available, used }, start, eventIndex)
  return { driver, device }
}

const starts = [0, 5, 0x7ff0, 0x8000, 0xfff0, 0xfff8, 0xffff]

describe('the driver is woken', () => {
  it.each(starts)('if the element that it waits for is among those given: from %i on', (start) => {
    for (let ahead = -20; ahead <= 20; ahead++) {
      const { driver, device } = made(start)
      driver.availableWords[2 + 16] = start + ahead
      let given = 0
      for (const count of [0, 1, 2, 5, 8]) {
        for (let i = 0; i < count; i++) device.addUsed(0, 0)
        const isAmong = ahead >= given && ahead < given + count
        expect([ahead, given, count, device.mustNotify()]).toEqual([ahead, given, count, isAmong])
        given += count
      }
    }
  })

  it.each(starts)('without event indices, unless it does not want to be: from %i on', (start) => {
    const { driver, device } = made(start, false)
    expect(device.mustNotify()).toBe(false)
    device.addUsed(0, 0)
    expect([device.mustNotify(), device.mustNotify()]).toEqual([true, false])
    driver.stopListening()
    device.addUsed(0, 0)
    expect(device.mustNotify()).toBe(false)
    driver.listen()
    // What was given meanwhile is not told of any more: the driver looks when it begins to listen.
    expect(device.mustNotify()).toBe(false)
  })
})

describe('the available ring', () => {
  it.each(starts)('is taken in its order, round and round: from %i on', (start) => {
    const { driver, device } = made(start, true, 4)
    expect([device.hasWork, device.pop()]).toEqual([false, -1])
    for (let round = 0; round < 40; round++) {
      const heads = [0, 1, 2, 3].map((i) => (round + i) % 4).slice(0, 1 + (round % 4))
      for (const head of heads) driver.offer(head)
      for (const head of heads) expect([device.hasWork, device.pop()]).toEqual([true, head])
      expect([device.hasWork, device.pop(), device.next]).toEqual([false, -1, driver.index])
    }
  })
})

describe('the used ring', () => {
  it.each(starts)('has each chain and its length, round and round: from %i on', (start) => {
    const { driver, device } = made(start, true, 4)
    for (let i = 0; i < 40; i++) {
      const head = driver.add([{ address: 0, length: 1, isWritable: true }])
      expect(device.pop()).toBe(head)
      device.addUsed(head!, 1000 + i)
      expect(device.done).toBe((start + i + 1) & 0xffff)
      expect(driver.take()).toEqual({ head, length: 1000 + i })
      expect(driver.take()).toBeUndefined()
    }
  })

  it('goes on at its index, also after another backend has served it', () => {
    const { driver, device } = made(7)
    expect(device.done).toBe(7)
    expect(driver.usedWords[1]).toBe(7)
  })
})
