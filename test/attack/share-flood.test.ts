import { duplexPair } from 'node:stream'
import { afterEach, expect, it } from 'vitest'
import { Client } from '../../src/9p/client.ts'
import { open } from '../../src/9p/wire/flags.ts'
import { NOFID } from '../../src/9p/wire/limits.ts'
import type { ShareFile } from '../../src/driver/share-file.ts'
import { share } from '../../src/driver/share.ts'
import { serveDuplex } from '../../src/transport/stream/duplex.ts'
import { memoryOf } from '../support/frames.ts'

const piece = Buffer.alloc(1 << 16, 'x')

let client: Client

/** A guest opens the file of a share, for writing. @returns its fid. */
async function openFile(file: ShareFile): Promise<number> {
  const [ours, theirs] = duplexPair({ highWaterMark: 1 << 24 })
  void serveDuplex(share({ file }), theirs)
  client = await Client.connect(ours, 1 << 17)
  await client.call.attach({ fid: 0, afid: NOFID, uname: '', aname: '', uid: 0 })
  await client.call.walk({ fid: 0, newfid: 1, names: ['file'] })
  await client.call.lopen({ fid: 1, flags: open.WRONLY })
  return 1
}

function write(fid: number): ReturnType<Client['send']> {
  const data = { memory: memoryOf(piece), offset: 0, length: piece.length }
  return client.send('write', { fid, offset: 0, data })
}

afterEach(() => client.close())

/** The guest sends many writes, and waits for none. Resolves with how they end, once those are there that end at once. */
async function flood(fid: number, count: number): Promise<string[]> {
  const outcomes: string[] = []
  for (let i = 0; i < count; i++) {
    write(fid).reply.then(
      () => outcomes.push('written'),
      (error: unknown) => outcomes.push(String((error as { readonly code?: string }).code)),
    )
  }
  await client.call.statfs({ fid: 0 })
  return outcomes
}

it.each([0, 60_000])(
  'a slow write function gets no more than the limit, with a delay of %i ms',
  async (delay) => {
    let called = 0
    const fid = await openFile({
      delay,
      write: () => {
        called++
        return new Promise(() => {})
      },
    })
    const outcomes = await flood(fid, 2000)
    expect(called).toBe(delay === 0 ? 256 : 0)
    expect(outcomes.length).toBe(2000 - 256)
    expect(new Set(outcomes)).toEqual(new Set(['EAGAIN']))
  },
)

it('takes more once writes have ended, or were given up', async () => {
  const ends: (() => void)[] = []
  const fid = await openFile({
    write: () => new Promise<void>((resolve) => void ends.push(resolve)),
  })
  const outcomes = await flood(fid, 256)
  for (const end of ends.splice(0)) end()
  await expect.poll(() => outcomes.filter((each) => each === 'written').length).toBe(256)
  client.close()
  const late = await openFile({ delay: 60_000, write: () => {} })
  const refusals: string[] = []
  for (let i = 0; i < 300; i++) {
    const { tag, reply } = write(late)
    reply.catch((error: unknown) => refusals.push(String(error)))
    await client.call.flush({ oldtag: tag })
    client.forget(tag)
  }
  expect(new Set(refusals)).toEqual(new Set(['Error: the request was flushed']))
})
