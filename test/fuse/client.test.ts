import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { payloadBytes } from '../../src/sys/memory.ts'
import { HostTree } from '../../src/tree/host/host-tree.ts'
import { FuseSession } from '../../src/fuse/session.ts'
import { sharePolicy } from '../support/directory-server.ts'
import { FuseClient, type FuseChannel } from '../support/fuse/client.ts'
import { DeviceChannel } from '../support/fuse/device-channel.ts'
import { entriesIn, plusEntriesIn } from '../support/fuse/directory-entries.ts'
import { serveFuse, usualPolicy } from '../support/fuse/fuse-server.ts'
import { linuxFuse } from '../support/fuse/layouts.ts'
import { payload } from '../support/fuse/requests.ts'
import { SessionChannel } from '../support/fuse/session-channel.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'
import { byteByByte, scattered } from '../support/vhost-user/layouts.ts'

const MIB = 2 ** 20
const layouts = { linuxFuse, scattered, byteByByte }

function filled(): string {
  const directory = join(temporaryDirectory(), 'tree')
  mkdirSync(join(directory, 'folder'), { recursive: true })
  for (let i = 0; i < 100; i++) writeFileSync(join(directory, 'folder', `file ${i}`), `${i}`)
  return directory
}

/** What every client can do over every channel. */
async function useFiles(channel: FuseChannel, directory: string): Promise<void> {
  const client = await FuseClient.connect(channel)
  const { entry } = await client.call.lookup({ name: 'folder' })
  const { nodeid } = entry
  await expect(client.call.lookup({ name: 'none' })).rejects.toMatchObject({ errno: errno.ENOENT })
  const listed = await client.call.opendir({}, { nodeid })
  const names: string[] = []
  for (let offset = 0n; ;) {
    const { data } = await client.call.readdir({ fh: listed.fh, offset, size: 1024 }, { nodeid })
    const entries = entriesIn(data)
    if (entries.length === 0) break
    names.push(...entries.map(({ name }) => name))
    offset = entries.at(-1)!.cookie
  }
  expect(names.length).toBe(102)
  const { data: plus } = await client.call.readdirplus({ fh: listed.fh, size: 65_536 }, { nodeid })
  const known = plusEntriesIn(plus).filter(({ entry: { nodeid: id } }) => id !== 0)
  expect(known.length).toBe(100)
  const all = await Promise.all(
    known.map(async ({ name, entry: { nodeid: id } }) => {
      const { fh } = await client.call.open({}, { nodeid: id })
      const { data } = await client.call.read({ fh, size: 4096 }, { nodeid: id })
      await client.call.release({ fh }, { nodeid: id })
      return `${name} has ${payloadBytes(data).toString()}`
    }),
  )
  expect(new Set(all)).toEqual(new Set(Array.from({ length: 100 }, (_, i) => `file ${i} has ${i}`)))
  for (const { entry: each } of known)
    await client.call.forget({ count: 1 }, { nodeid: each.nodeid })
  // As much as one request may carry, to pages and from them.
  const big = Buffer.alloc(MIB).map((_, i) => (i * 7) ^ (i >> 8))
  const made = await client.call.create({ name: 'big', flags: 2, mode: 0o600 })
  const { size } = await client.call.write({ fh: made.fh, data: payload(big) })
  expect(size).toBe(MIB)
  expect(readFileSync(join(directory, 'big')).equals(big)).toBe(true)
  const { data } = await client.call.read({ fh: made.fh, size: MIB }, { nodeid: made.entry.nodeid })
  expect(payloadBytes(data).equals(big)).toBe(true)
  client.close()
}

it('a client uses files over a session in its own process', async () => {
  const directory = filled()
  const tree = new HostTree(directory, sharePolicy)
  afterwards(() => tree.close())
  const log: string[] = []
  const session = new FuseSession(tree, usualPolicy, (line) => log.push(line))
  await useFiles(new SessionChannel(session), directory)
  expect(log).toEqual([])
})

it.each(Object.entries(layouts))(
  'a client uses files through the queues of a device, laid out: %s',
  async (_name, layout) => {
    const directory = filled()
    await using server = await serveFuse(directory)
    for (const queues of [1, 4]) {
      await useFiles(new DeviceChannel(server.device(queues).start(), layout), directory)
    }
    expect(server.log.filter((line) => line.includes('error'))).toEqual([])
  },
)

it('two clients have two sessions', async () => {
  await using server = await serveFuse(filled())
  const [one, other] = [await server.fuse(), await server.fuse(2)]
  const { entry } = await one.call.lookup({ name: 'folder' })
  await expect(other.call.getattr({}, entry)).rejects.toMatchObject({ errno: errno.ESTALE })
  one.close()
  await other.call.lookup({ name: 'folder' })
  other.close()
})

it('a wait for a lock ends by an INTERRUPT through the queue of high priority', async () => {
  await using server = await serveFuse(filled())
  const client = await server.fuse()
  const { fh } = await client.call.create({ name: 'locked', flags: 2, mode: 0o600 })
  const whole = { fh, type: 1, end: (1n << 63n) - 1n }
  await client.call.setlk({ ...whole, owner: 1n })
  const waiting = client.send('setlkw', { ...whole, owner: 2n })
  const third = client.send('setlkw', { ...whole, owner: 3n })
  // Both wait: a request behind them in the same queue is answered.
  await client.call.statfs()
  await client.call.interrupt({ unique: waiting.unique })
  await expect(waiting.reply).rejects.toMatchObject({ errno: errno.EINTR })
  expect(client.underWay).toBe(1)
  await client.call.setlk({ ...whole, owner: 1n, type: 2 })
  await third.reply
  client.close()
})
