import { expect, it } from 'vitest'
import { FRAME_MAX } from '../../src/network/ethernet.ts'
import { OutgoingQueue, QUEUE_BYTES } from '../../src/network/outgoing-queue.ts'

it('gives out what waits in one piece, each frame behind its length', () => {
  const queue = new OutgoingQueue()
  expect(queue.take()).toBe(undefined)
  queue.append(Buffer.from('one'))
  queue.append(Buffer.from('three'))
  expect(queue.take()?.toString('latin1')).toBe('\0\0\0\u0003one\0\0\0\u0005three')
  expect(queue.take()).toBe(undefined)
})

it('takes no more than it has room for', () => {
  const queue = new OutgoingQueue()
  const frame = Buffer.alloc(1500)
  let taken = 0
  while (queue.append(frame)) taken++
  expect(taken).toBe(Math.floor(QUEUE_BYTES / 1504))
  expect(queue.append(Buffer.alloc(1))).toBe(true)
})

it('leaves what is being written alone while more comes in', () => {
  const queue = new OutgoingQueue()
  queue.append(Buffer.alloc(FRAME_MAX, 1))
  const leaving = queue.take()!
  const before = Buffer.from(leaving)
  while (queue.append(Buffer.alloc(FRAME_MAX, 2)));
  expect(leaving.equals(before)).toBe(true)
})
