import { closeSync, ftruncateSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { systemMemory } from '../../src/sys/system-memory.ts'
import { UringReads } from '../../src/server/uring-reads.ts'
import { HostTree } from '../../src/tree/host/host-tree.ts'
import type { OpenFile } from '../../src/tree/tree.ts'
import { ManualTimers } from '../support/manual-timers.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'

let directory: string
let fd: number

beforeEach(() => {
  directory = temporaryDirectory()
  writeFileSync(join(directory, 'file'), 'hello')
  const opened = openSync(join(directory, 'file'), 'r+')
  afterwards(() => closeSync(opened))
  fd = opened
})

/** What becomes of reads of 10 bytes of `fd` at these offsets: a text, or an errno. */
function readAt(file: number, ...offsets: number[]): (string | number)[] {
  const reads = new UringReads()
  const results = offsets.map((): string | number => 'nothing')
  for (const [i, offset] of offsets.entries()) {
    reads.read(file, offset, 10)?.wait((outcome) => {
      results[i] = outcome.ok
        ? Buffer.from(outcome.value).toString()
        : (outcome.error as { errno: number }).errno
    })
  }
  // Waits for all of them.
  reads.close()
  return results
}

describe('a cold read', () => {
  it('has the bytes that there are, which may be none', () => {
    expect(readAt(fd, 0, 3, 5, 1000)).toEqual(['hello', 'lo', '', ''])
    // A file that became shorter between the look into the page cache and the read.
    ftruncateSync(fd, 0)
    expect(readAt(fd, 0)).toEqual([''])
  })

  it('fails with the errno of its read', () => {
    const closed = openSync(directory, 'r')
    afterwards(() => closeSync(closed))
    expect(readAt(closed, 0)).toEqual([errno.EISDIR])
  })

  it('is not begun for the end of a file, nor for no bytes', () => {
    let begun = 0
    const cold = {
      read: (): undefined => {
        begun++
        return undefined
      },
    }
    const policy = { readOnly: false, owner: 'host', atime: 'guest' } as const
    const tree = new HostTree(directory, policy, new ManualTimers().later, cold)
    afterwards(() => tree.close())
    const { node } = tree.attach('')
    const file = node.lookup('file', null).open(0, 0) as OpenFile
    const memory = systemMemory(10)
    const read = (offset: number, length: number): unknown =>
      file.read(offset, { memory, offset: 0, length, pieces: undefined }, true)
    expect([read(0, 10), read(5, 10), read(100, 10), read(0, 0)]).toEqual([5, 0, 0, 0])
    expect(begun).toBe(0)
    file.close()
  })
})
