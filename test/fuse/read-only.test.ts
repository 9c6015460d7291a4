import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { openFlags } from '../../src/tree/flags.ts'
import { type MessageName, type Row, messages } from '../../src/fuse/wire/messages.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { FuseProbe } from '../support/fuse/fuse-probe.ts'
import { leastBytes, messageNames, rawRequest } from '../support/fuse/requests.ts'

let tree: FakeTree
let probe: FuseProbe
let file: number

const rows: [MessageName, Row][] = messageNames.map((name) => [name, messages[name]])
const changing = rows.filter(([, { changes }]) => changes === 'always')
const harmless = rows.filter(([, { changes, R }]) => changes === 'never' && R !== null)

beforeEach(() => {
  tree = new FakeTree()
  tree.readOnly = true
  probe = new FuseProbe(tree)
  file = probe.node('file')
  tree.calls.length = 0
})

/** The errno that the smallest request of a row gets: every number 0, every name and all data empty. */
function ecodeOf({ opcode, T }: Row): number {
  probe.replies = []
  probe.sendRaw(rawRequest(2, opcode, Buffer.alloc(leastBytes(T))))
  return -probe.replies[0]!.bytes.readInt32LE(4)
}

describe('a read-only tree', () => {
  it('has requests that change it and requests that do not', () => {
    expect(changing.map(([name]) => name)).toEqual(
      [
        'setattr symlink mknod mkdir unlink rmdir rename link write setxattr removexattr create',
        'fallocate rename2 copyFileRange tmpfile',
      ].flatMap((some) => some.split(' ')),
    )
    // FORGET, BATCH_FORGET and INTERRUPT have no reply.
    expect(harmless.length + changing.length + 1 + 3).toBe(rows.length)
  })

  it.each(changing)('answers %s with EROFS, and the tree never hears of it', (_name, row) => {
    expect(ecodeOf(row)).toBe(errno.EROFS)
    expect(tree.calls).toEqual([])
  })

  it.each(changing)('differs from a writable tree, which allows %s', (_name, row) => {
    tree.readOnly = false
    expect(ecodeOf(row)).not.toBe(errno.EROFS)
  })

  it.each(harmless)('allows %s', (_name, row) => {
    expect(ecodeOf(row)).not.toBe(errno.EROFS)
  })

  it('opens files by their flags', () => {
    const { RDONLY, WRONLY, RDWR, ACCMODE, TRUNC, NOATIME, CREAT, APPEND } = openFlags
    const opening = (flags: number): number => probe.errnoOf('open', { flags }, { nodeid: file })
    const wrong = [WRONLY, RDWR, ACCMODE, RDONLY | TRUNC, WRONLY | TRUNC, RDWR | APPEND]
    expect(wrong.map(opening)).toEqual(wrong.map(() => errno.EROFS))
    expect(tree.calls).toEqual([])
    const right = [RDONLY, RDONLY | NOATIME, RDONLY | CREAT | APPEND]
    expect(right.map(opening)).toEqual([0, 0, 0])
  })
})
