import { describe, expect, it } from 'vitest'
import { closeEventfd, createEventfd, signalEventfd } from '../../src/libc/eventfd.ts'
import { Loop, type Watched } from '../../src/transport/engine/loop.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { afterwards } from '../support/temporary.ts'

function loop(): Loop {
  const made = new Loop()
  afterwards(() => made.close())
  return made
}

describe('a loop', () => {
  it('does what is to be done later in its order, with nothing else to wake it', () => {
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

  it('does not do what was called off, also by what was due with it', () => {
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

  it('does not wake what waits for nothing, nor what an earlier one of the round has removed', () => {
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

  it('closes all that it watches, and what it uses itself', () => {
    const before = openDescriptors()
    const made = new Loop()
    const fd = createEventfd()
    made.add({ fd, waitsFor: 'read', ready: () => {}, close: () => closeEventfd(fd) })
    made.later(1000, () => {})
    made.close()
    expect(openDescriptors()).toBe(before)
  })
})
