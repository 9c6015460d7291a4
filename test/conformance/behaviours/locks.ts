import assert from 'node:assert/strict'
import { closeSync, openSync } from 'node:fs'
import type { KernelFs } from '../fs.ts'
import { type KernelBehaviours, make } from './helpers.ts'
import {
  SystemError,
  flock,
  LOCK_SH,
  LOCK_EX,
  LOCK_NB,
  LOCK_UN,
  lockTypes,
  lockRange,
  lockInTheWay,
} from '../system.ts'

/** Locks of whole files and of ranges. */
export const locks: KernelBehaviours = {
  'one locks a file to write and others not': async (fs) => {
    await withTwo(fs, (one, other) => {
      flock(one, LOCK_EX | LOCK_NB)
      assert.equal(
        codeOf(() => flock(other, LOCK_SH | LOCK_NB)),
        'EAGAIN',
      )
      assert.equal(
        codeOf(() => flock(other, LOCK_EX | LOCK_NB)),
        'EAGAIN',
      )
      flock(one, LOCK_UN)
      flock(other, LOCK_EX | LOCK_NB)
      flock(other, LOCK_UN)
    })
  },

  'many lock a file to read': async (fs) => {
    await withTwo(fs, (one, other) => {
      flock(one, LOCK_SH | LOCK_NB)
      flock(other, LOCK_SH | LOCK_NB)
      assert.equal(
        codeOf(() => flock(one, LOCK_EX | LOCK_NB)),
        'EAGAIN',
      )
      flock(other, LOCK_UN)
      flock(one, LOCK_EX | LOCK_NB)
    })
  },

  'a lock goes when the file is closed': async (fs) => {
    await make(fs, 'f', '')
    const one = openSync(fs.path('f'), 'r+')
    flock(one, LOCK_EX | LOCK_NB)
    lockRange(one, 'write', 0, 10)
    closeSync(one)
    const other = openSync(fs.path('f'), 'r+')
    flock(other, LOCK_EX | LOCK_NB)
    lockRange(other, 'write', 0, 10)
    closeSync(other)
  },

  'ranges are locked apart from each other': async (fs) => {
    await withTwo(fs, (one, other) => {
      lockRange(one, 'write', 0, 10)
      lockRange(other, 'write', 10, 10)
      assert.equal(
        codeOf(() => lockRange(other, 'read', 9, 1)),
        'EAGAIN',
      )
      assert.equal(
        codeOf(() => lockRange(one, 'write', 0, 0)),
        'EAGAIN',
      )
      lockRange(one, 'none', 5, 5)
      lockRange(other, 'read', 5, 5)
      lockRange(one, 'read', 5, 5)
      assert.equal(
        codeOf(() => lockRange(one, 'write', 5, 5)),
        'EAGAIN',
      )
    })
  },

  'a lock that is in the way is told of': async (fs) => {
    await withTwo(fs, (one, other) => {
      assert.equal(lockInTheWay(other, 0, 10), lockTypes.none)
      lockRange(one, 'read', 3, 3)
      assert.equal(lockInTheWay(other, 0, 10), lockTypes.read)
      lockRange(one, 'write', 3, 3)
      assert.equal(lockInTheWay(other, 0, 10), lockTypes.write)
      assert.equal(lockInTheWay(one, 0, 10), lockTypes.none)
    })
  },
}

async function withTwo(fs: KernelFs, act: (one: number, other: number) => void): Promise<void> {
  await make(fs, 'f', 'some text')
  const [one, other] = [openSync(fs.path('f'), 'r+'), openSync(fs.path('f'), 'r+')]
  try {
    act(one, other)
  } finally {
    closeSync(one)
    closeSync(other)
  }
}

function codeOf(act: () => void): unknown {
  try {
    act()
    return 'no error'
  } catch (error) {
    return error instanceof SystemError ? error.code : error
  }
}
