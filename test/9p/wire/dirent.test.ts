import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { direntBytes } from '../../../src/9p/wire/dirent.ts'
import { heapMemory, readDirent, Reader, writeDirent, Writer } from '../../../src/9p/index.ts'
import { hex } from '../../support/frames.ts'

const memory = heapMemory(1024)

describe('an entry of Rreaddir', () => {
  it('has the bytes of the specification: qid[13] offset[8] type[1] name[s]', () => {
    const to = new Writer(memory).over(memory, 0, 1024)
    const qid = { type: 0x80, version: 1, path: 2n }
    writeDirent(to, { qid, offset: 3n, type: 4, name: '\u00ff' })
    expect(memory.bytes.subarray(0, to.position)).toEqual(
      hex('80 01000000 0200000000000000', '0300000000000000', '04', '0100 ff'),
    )
  })

  it('takes as many bytes as direntBytes says and is read back as it was', () => {
    const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
    const names = fc.uint8Array({ maxLength: 255 }).map((b) => Buffer.from(b).toString('latin1'))
    fc.assert(
      fc.property(u64, u64, fc.nat(255), names, (path, offset, type, name) => {
        const entry = { qid: { type: 2, version: 0xffff_ffff, path }, offset, type, name }
        const to = new Writer(memory).over(memory, 5, 1024)
        writeDirent(to, entry)
        expect(to.position - 5).toBe(direntBytes(name.length))
        expect(readDirent(new Reader(memory).over(memory, 5, to.position))).toEqual(entry)
      }),
    )
  })
})
