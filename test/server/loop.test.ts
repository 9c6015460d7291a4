import { describe, expect, it } from 'vitest'
import { closeEventfd, createEventfd, drainEventfd, signalEventfd } from '../../src/sys/eventfd.ts'
import { Loop } from '../../src/server/loop.ts'
import type { Watched } from '../../src/transport/event-loop.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { afterwards } from '../support/temporary.ts'

function loop(): Loop {
  const made = new Loop()
  afterwards(() => made.close())
  return made
}

describe('a loop', () => {
  it('runs timers in order, with nothing else to wake it', () => {
    const made = loop()
    const done: string[] = []
    const start = performance.now()
    made.later(30, () => {
      done.push('second')
      // Asked for from inside.
      made.later(5, () => {
        done.push('last')
        made.stop()
      })
    })
    made.later(10, () => done.push('first'))
    made.run()
    expect(done).toEqual(['first', 'second', 'last'])
    expect(performance.now() - start).toBeGreaterThanOrEqual(34)
  })

  it('does not run a timer that was cancelled, also by another timer of the same time', () => {
    const made = loop()
    const done: string[] = []
    const offs = [made.later(5, () => done.push('never'))]
    made.later(10, () => {
      done.push('first')
      for (const off of offs) off()
    })
    offs.push(made.later(10, () => done.push('second')))
    offs[0]?.()
    made.later(20, () => made.stop())
    made.run()
    expect(done).toEqual(['first'])
  })

  it('does not call an item that waits for nothing, nor one that an earlier item has removed', () => {
    const made = loop()
    const woken: string[] = []
    const watched = (
      name: string,
      waitsFor: Watched['waitsFor'],
      ready = (): void => {},
    ): Watched => {
      const fd = createEventfd()
      signalEventfd(fd)
      const one = {
        fd,
        waitsFor,
        ready: (): void => {
          woken.push(name)
          ready()
        },
        close: () => closeEventfd(fd),
      }
      made.add(one)
      return one
    }
    watched('nothing', 'nothing')
    watched('first', 'read', () => {
      made.remove(second)
      made.stop()
    })
    const second = watched('second', 'read')
    made.run()
    expect(woken).toEqual(['first'])
  })

  describe('that watches what shows work in memory', () => {
    /** A counter of things to do. Like a driver, it notifies only while notifications are enabled. */
    class Memory {
      readonly fd = createEventfd()
      readonly waitsFor = 'read'
      readonly polled = this
      work = 0
      done = 0
      isListening = false
      looks = 0

      add(): void {
        this.work++
        if (this.isListening) signalEventfd(this.fd)
      }
      poll(): boolean {
        this.looks++
        if (this.work === 0) return false
        this.work--
        this.done++
        return true
      }
      enableNotifications(): boolean {
        this.isListening = true
        return this.work > 0
      }
      disableNotifications(): void {
        this.isListening = false
      }
      ready(): void {
        drainEventfd(this.fd)
      }
      close(): void {
        closeEventfd(this.fd)
      }
    }

    it('does all of it, and sleeps in between', () => {
      const made = loop()
      const memory = new Memory()
      made.add(memory)
      memory.work = 1000
      let looksBefore = 0
      made.later(20, () => {
        expect(memory.done).toBe(1000)
        looksBefore = memory.looks
      })
      made.later(60, () => {
        expect(memory.isListening).toBe(true)
        // Asleep for all of the time: a few looks for each of the two timers.
        expect(memory.looks - looksBefore).toBeLessThan(50)
        memory.add()
      })
      made.later(80, () => made.stop())
      made.run()
      expect(memory.done).toBe(1001)
    })

    it('sees work that was there before it began to listen', () => {
      const made = loop()
      /** What is added at the last moment, and without a signal. */
      class Late extends Memory {
        override enableNotifications(): boolean {
          if (this.done === 0) this.work = 1
          return super.enableNotifications()
        }
      }
      const memory = new Late()
      made.add(memory)
      made.later(20, () => made.stop())
      made.run()
      expect(memory.done).toBe(1)
    })

    it('watches an item that is added while it runs', () => {
      const made = loop()
      const memory = new Memory()
      made.later(5, () => {
        made.add(memory)
        made.later(1, () => {
          expect(memory.isListening).toBe(true)
          memory.add()
          made.later(1, () => made.stop())
        })
      })
      made.run()
      expect(memory.done).toBe(1)
    })

    it('serves descriptors although there is always work in memory', () => {
      const made = loop()
      const memory = new Memory()
      memory.work = Infinity
      made.add(memory)
      made.later(5, () => made.stop())
      made.run()
      expect(memory.done).toBeGreaterThan(0)
    })

    it('gives each item its share of time, however much work the others have', () => {
      const made = loop()
      const [greedy, modest] = [new Memory(), new Memory()]
      made.add(greedy)
      made.add(modest)
      greedy.work = Infinity
      modest.work = 10
      made.later(10, () => made.stop())
      made.run()
      expect(modest.done).toBe(10)
    })

    it('does not poll an item that was removed', () => {
      const made = loop()
      const memory = new Memory()
      made.add(memory)
      let looks = 0
      made.later(5, () => {
        made.remove(memory)
        looks = memory.looks
      })
      made.later(15, () => made.stop())
      made.run()
      expect(memory.looks).toBe(looks)
    })
  })

  it('closes all items and its own descriptors', () => {
    const before = openDescriptors()
    const made = new Loop()
    const fd = createEventfd()
    made.add({ fd, waitsFor: 'read', ready: () => {}, close: () => closeEventfd(fd) })
    made.later(1000, () => {})
    made.close()
    expect(openDescriptors()).toBe(before)
  })
})
