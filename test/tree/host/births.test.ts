import { beforeEach, describe, expect, it } from 'vitest'
import { Births } from '../../../src/tree/host/births.ts'

const EXT4 = 0xef53
const OVERLAYFS = 0x794c7630
const FUSE = 0x65735546

let now: number
let births: Births

beforeEach(() => {
  now = 1_000_000
  births = new Births(() => now)
  births.learn(1, EXT4)
  births.learn(2, OVERLAYFS)
  births.learn(3, FUSE)
})

/** What a file of `dev` is known by that was born so many milliseconds ago. */
function known(dev: number, age: number, birth = 1): { identified: boolean; toldApart: boolean } {
  const file = { dev, birth, bornAt: now - age }
  return { identified: births.identify(file), toldApart: births.tellApart(file) }
}

describe('a time of birth', () => {
  it('identifies a file where it never changes', () => {
    expect(known(1, 100)).toEqual({ identified: true, toldApart: true })
    expect(known(1, 1e9)).toEqual({ identified: true, toldApart: true })
  })

  it('does not identify a file that another of the same tick may follow, or that is not born yet', () => {
    for (const age of [0, 10, 99, -1, -1e9]) {
      expect(known(1, age)).toEqual({ identified: false, toldApart: false })
    }
    now += 100
    expect(known(1, 100)).toEqual({ identified: true, toldApart: true })
  })

  it('does not identify a file whose file system does not know it', () => {
    expect(known(1, 1e9, 0)).toEqual({ identified: false, toldApart: false })
  })

  it('tells files of overlayfs apart, and does not identify them: a copy-up changes it', () => {
    expect(known(2, 1e9)).toEqual({ identified: false, toldApart: true })
  })

  it('says nothing where a server of its own may say anything, or of a device that is not known', () => {
    for (const dev of [3, 4])
      expect(known(dev, 1e9)).toEqual({ identified: false, toldApart: false })
  })

  it('is that of the file system that has the device’s number now', () => {
    births.learn(1, FUSE)
    expect(known(1, 1e9).identified).toBe(false)
    births.learn(3, EXT4)
    expect(known(3, 1e9).identified).toBe(true)
  })
})
