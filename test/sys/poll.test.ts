import { describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { closeEventfd, createEventfd, signalEventfd } from '../../src/sys/eventfd.ts'
import { POLLIN, POLLOUT, PollSet } from '../../src/sys/poll.ts'
import { afterwards } from '../support/temporary.ts'

function eventfd(): number {
  const fd = createEventfd()
  afterwards(() => closeEventfd(fd))
  return fd
}

describe('poll', () => {
  it('waits no longer than it is told', () => {
    const set = new PollSet()
    set.add(eventfd(), POLLIN)
    const start = performance.now()
    expect(set.wait(30)).toBe(0)
    expect(performance.now() - start).toBeGreaterThan(25)
    expect(set.happened(0)).toBe(0)
    expect(new PollSet().wait(0)).toBe(0)
  })

  it('says what happened to which descriptor', () => {
    const fds = [eventfd(), eventfd(), eventfd()]
    signalEventfd(fds[1]!)
    const set = new PollSet()
    for (const fd of fds) set.add(fd, POLLIN)
    set.add(fds[2]!, POLLOUT)
    expect(set.wait(-1)).toBe(2)
    expect([0, 1, 2, 3].map((i) => set.happened(i))).toEqual([0, POLLIN, 0, POLLOUT])
  })

  it('begins anew after clear, and grows', () => {
    const quiet = eventfd()
    const loud = eventfd()
    signalEventfd(loud)
    const set = new PollSet()
    for (let round = 0; round < 3; round++) {
      set.clear()
      for (let i = 0; i < 100; i++) set.add(i % 10 === 3 ? loud : quiet, POLLIN)
      expect([set.count, set.wait(0)]).toEqual([100, 10])
      for (let i = 0; i < 100; i++) expect(set.happened(i)).toBe(i % 10 === 3 ? POLLIN : 0)
    }
  })

  it('tells of a descriptor that is closed', () => {
    const fd = createEventfd()
    closeEventfd(fd)
    const set = new PollSet()
    set.add(fd, POLLIN)
    expect(set.wait(0)).toBe(1)
    expect(set.happened(0)).not.toBe(0)
  })
})

describe('an eventfd', () => {
  it('is readable from the first signal on', () => {
    const fd = eventfd()
    const set = new PollSet()
    set.add(fd, POLLIN)
    expect(set.wait(0)).toBe(0)
    for (let i = 0; i < 5; i++) signalEventfd(fd)
    expect(set.wait(0)).toBe(1)
    expect(set.wait(0)).toBe(1)
  })

  it('that is closed cannot be signalled', () => {
    const fd = createEventfd()
    closeEventfd(fd)
    expect(() => signalEventfd(fd)).toThrow(expect.objectContaining({ errno: errno.EBADF }))
  })
})
