import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import {
  DESCRIPTORS_MAX,
  receiveWithDescriptors,
  sendWithDescriptors,
} from '../../src/sys/descriptor-passing.ts'
import { closeEventfd, createEventfd, signalEventfd } from '../../src/sys/eventfd.ts'
import { discard } from '../../src/sys/files.ts'
import { systemMemory } from '../../src/sys/system-memory.ts'
import { POLLIN, PollSet } from '../../src/sys/poll.ts'
import { accept, connectUnix, listenUnix } from '../../src/sys/sockets.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'

const memory = systemMemory(1 << 20)
let ours: number
let theirs: number
let eventfd: number

beforeEach(() => {
  const path = join(temporaryDirectory(), 'socket')
  const listening = listenUnix(path)
  ours = connectUnix(path)
  theirs = accept(listening)
  eventfd = createEventfd()
  for (const fd of [listening, ours, theirs, eventfd]) afterwards(() => discard(fd))
})

function send(bytes: string, descriptors: readonly number[] = []): number {
  memory.bytes.write(bytes)
  return sendWithDescriptors(ours, memory.address, bytes.length, descriptors)
}

describe('descriptors', () => {
  it.each([1, 2, 3, DESCRIPTORS_MAX])(
    'come with the bytes that they were sent with: %i',
    (count) => {
      const before = openDescriptors()
      expect(send('hello', Array(count).fill(eventfd))).toBe(5)
      const { bytes, descriptors } = receiveWithDescriptors(theirs, memory.address + 100, 50)
      expect([bytes, descriptors.length]).toEqual([5, count])
      expect(memory.bytes.toString('latin1', 100, 105)).toBe('hello')
      expect(openDescriptors()).toBe(before + count)
      // They are the same thing by another number, and programs that are started do not get them.
      for (const fd of descriptors) {
        expect(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')).toMatch(/^flags:\t0?2\d{6}$/m)
      }
      signalEventfd(descriptors.at(-1)!)
      const set = new PollSet()
      set.add(eventfd, POLLIN)
      expect(set.wait(0)).toBe(1)
      for (const fd of descriptors) discard(fd)
    },
  )

  it('stay with the message they came with, however much is asked for', () => {
    send('first', [eventfd])
    send('second', [eventfd, eventfd])
    const one = receiveWithDescriptors(theirs, memory.address, 100)
    const two = receiveWithDescriptors(theirs, memory.address, 100)
    expect([one.bytes, one.descriptors.length]).toEqual([5, 1])
    expect([two.bytes, two.descriptors.length]).toEqual([6, 2])
    for (const fd of [...one.descriptors, ...two.descriptors]) discard(fd)
  })

  it('come once, with the first of the bytes', () => {
    send('hello', [eventfd])
    const one = receiveWithDescriptors(theirs, memory.address, 2)
    const two = receiveWithDescriptors(theirs, memory.address, 100)
    expect([one.bytes, one.descriptors.length]).toEqual([2, 1])
    expect(two).toEqual({ bytes: 3, descriptors: [] })
    for (const fd of one.descriptors) discard(fd)
  })

  it('that were closed are sent all the same, and one that is none is not', () => {
    const gone = createEventfd()
    send('x', [gone])
    closeEventfd(gone)
    const { descriptors } = receiveWithDescriptors(theirs, memory.address, 1)
    signalEventfd(descriptors[0]!)
    discard(descriptors[0]!)
    expect(() => send('x', [gone])).toThrow(expect.objectContaining({ errno: errno.EBADF }))
  })
})

describe('a socket', () => {
  it('that has nothing does not block', () => {
    const nothing = { bytes: -1, descriptors: [] }
    expect(receiveWithDescriptors(theirs, memory.address, 1)).toEqual(nothing)
  })

  it('that is full takes no more, or a part', () => {
    let sent = 0
    for (
      let taken = 0;
      taken >= 0;
      taken = sendWithDescriptors(ours, memory.address, 1 << 20, [])
    ) {
      sent += taken
    }
    expect(sent).toBeGreaterThan(0)
    expect(send('x')).toBe(-1)
  })

  it('that is closed says so', () => {
    discard(ours)
    expect(receiveWithDescriptors(theirs, memory.address, 1)).toEqual({ bytes: 0, descriptors: [] })
    const sending = (): number => sendWithDescriptors(theirs, memory.address, 1, [])
    expect(sending).toThrow(expect.objectContaining({ errno: errno.EPIPE }))
    // The number may be another file's by now.
    ours = createEventfd()
  })
})
