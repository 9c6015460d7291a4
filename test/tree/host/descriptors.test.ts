import { constants } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { AT_FDCWD } from '../../../src/sys/constants.ts'
import { Descriptors, type Holder } from '../../../src/tree/host/descriptors.ts'
import { ManualTimers } from '../../support/manual-timers.ts'
import { afterwards } from '../../support/temporary.ts'

describe('a request that needs a descriptor where all are held', () => {
  it('makes 1,024 holders give theirs back, and not an eighth of all', () => {
    const limit = 9000
    const descriptors = new Descriptors(limit, new ManualTimers().later)
    const held = new Set<number>()
    const open = (): void => {
      const fd = descriptors.open(AT_FDCWD, '/', constants.O_DIRECTORY)
      held.add(fd)
      const holder: Holder = {
        mayGiveBack: () => true,
        giveBack: () => {
          held.delete(fd)
          descriptors.discard(fd)
        },
      }
      descriptors.add(holder)
    }
    afterwards(() => {
      for (const fd of held) descriptors.discard(fd)
    })
    for (let i = 0; i < limit; i++) open()
    expect(descriptors.count).toBe(limit)
    open()
    expect(descriptors.count).toBe(limit - 1024 + 1)
  })
})
