import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { flags, type MessageName, messages, type Row } from '../../src/9p/index.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { rawFrame } from '../support/frames.ts'
import { SessionProbe } from '../support/session-probe.ts'

let tree: FakeTree
let probe: SessionProbe

const rows: [MessageName, Row][] = Object.entries(messages) as never
const changing = rows.filter(([, { changes }]) => changes === 'always')
const harmless = rows.filter(([, { changes }]) => changes === 'never')

beforeEach(() => {
  tree = new FakeTree()
  tree.readOnly = true
  probe = new SessionProbe(tree).attach()
  probe.walk(1, 'file')
  tree.calls.length = 0
})

/** The smallest frame of a message: every number 0, every string, list and payload empty. */
function emptyRequest({ type, T }: Row): Buffer {
  const bytes = { u8: 1, u16: 2, u32: 4, u64: 8, size: 8, seconds: 8, mask: 8, qid: 13 }
  const empty = { string: 2, strings: 2, qids: 2, data: 4 }
  const sizes = Object.values(T).map((kind) => ({ ...bytes, ...empty })[kind])
  return rawFrame(type, 1, Buffer.alloc(sizes.reduce((sum, size) => sum + size, 0)))
}

function answerTo(row: Row): [type: number, ecode: number] {
  probe.replies = []
  probe.sendRaw(emptyRequest(row))
  const { type, frame } = probe.replies[0]!
  return [type, type === 7 ? frame.readUInt32LE(7) : 0]
}

describe('a read-only tree', () => {
  it('has requests that change it and requests that do not', () => {
    expect(changing.map(([name]) => name)).toEqual(
      [
        'lcreate symlink mknod rename setattr xattrcreate',
        'link mkdir renameat unlinkat write remove',
      ].flatMap((some) => some.split(' ')),
    )
    expect(harmless.length + changing.length + 1).toBe(rows.length)
  })

  it.each(changing)('answers T%s with EROFS and the tree never hears of it', (_name, row) => {
    expect(answerTo(row)).toEqual([7, errno.EROFS])
    expect(tree.calls).toEqual([])
  })

  it.each(harmless)('allows T%s', (_name, row) => {
    const [, ecode] = answerTo(row)
    expect(ecode).not.toBe(errno.EROFS)
  })

  it.each(changing)('differs from a writable tree, which allows T%s', (_name, row) => {
    tree.readOnly = false
    expect(answerTo(row)[1]).not.toBe(errno.EROFS)
  })

  it('opens files by their flags', () => {
    const { open } = flags
    const may = [open.RDONLY, open.RDONLY | open.NOATIME, open.RDONLY | open.CREAT | open.APPEND]
    const mayNot = [
      open.WRONLY,
      open.RDWR,
      open.ACCMODE,
      open.RDONLY | open.TRUNC,
      open.WRONLY | open.TRUNC,
      open.RDWR | open.APPEND,
    ]
    for (const wrong of mayNot) {
      const found = probe.errnoOf('lopen', { fid: 1, flags: wrong })
      expect([wrong.toString(8), found]).toEqual([wrong.toString(8), errno.EROFS])
    }
    expect(tree.calls).toEqual([])
    may.forEach((right, i) => probe.walk(i + 2, 'file').open(i + 2, right))
  })
})
