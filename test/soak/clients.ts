import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Client } from '../../src/9p/client.ts'
import { flags } from '../../src/9p/index.ts'
import { isSystemError } from '../../src/util/error.ts'
import type { Fs } from '../conformance/fs.ts'
import { NineFs } from '../conformance/nine-fs.ts'
import { attached, connected } from '../support/directory-server.ts'
import { linux } from '../support/vhost-user/layouts.ts'
import { VirtualDevice } from '../support/vhost-user/virtual-device.ts'
import { clientOn } from '../support/vhost-user/virtqueue-stream.ts'
import { Cli } from '../support/vm-cli.ts'

/** Where the clients of a soak find what they need. */
export interface Place {
  /** The directory that is served, as the host sees it. */
  readonly shared: string
  /** The server's unix socket, and the one for virtual machines. */
  readonly unix: string
  readonly device: string
  /** A socket for servers that are killed. */
  readonly killed: string
}

/** What a kind of client does in one round. It keeps nothing from one round to the next but its connection. */
type Kind = (soak: Soak) => Promise<(round: number) => Promise<void>>

/** Fids that a client holds, many more than the server may have descriptors. */
const MANY = 600

/** Places in one file that lockers lock, and how many clients there are for them. */
const SLOTS = 4
const LOCKERS = 3

/** All kinds of clients, which run at the same time. */
export const kinds = {
  'writes and reads': async (soak) => writer(await soak.fs('writer')),
  'does so through a virtqueue': async (soak) => writer((await soak.guest()).in('guest')),
  renames: async (soak) => renamer(await soak.fs('renamer')),
  lists: async (soak) => lister(await soak.fs('lister')),
  'holds many files': holder,
  locks: locker,
  'comes and goes': async (soak) => (round) => visit(soak, round),
  'is killed': async (soak) => (round) => killServer(soak, round),
} as const satisfies Record<string, Kind>

/** The clients of one server. */
export class Soak {
  readonly place: Place
  readonly #goesOn: (rounds: number) => boolean
  readonly #closers: (() => void)[] = []

  /** @param goesOn whether a client that has made so many rounds makes another one. */
  constructor(place: Place, goesOn: (rounds: number) => boolean) {
    this.place = place
    this.#goesOn = goesOn
  }

  /** @returns how many rounds a client of this kind has made. */
  async run(kind: Kind): Promise<number> {
    const round = await kind(this)
    let rounds = 0
    for (; this.#goesOn(rounds); rounds++) await round(rounds)
    return rounds
  }

  async client(): Promise<Client> {
    const client = await attached(await connected({ kind: 'unix', path: this.place.unix }))
    this.#closers.push(() => client.close())
    return client
  }

  /** A connection's own directory. */
  async fs(directory: string): Promise<Fs> {
    const fs = NineFs.over(await this.client(), false)
    await fs.mkdir(directory)
    return fs.in(directory)
  }

  async guest(): Promise<Fs> {
    const device = new VirtualDevice(this.place.device).start()
    const client = await clientOn(device, linux, 32_768)
    this.#closers.push(() => {
      client.close()
      device.close()
    })
    const fs = NineFs.over(client, false)
    await fs.mkdir('guest')
    return fs
  }

  close(): void {
    for (const close of this.#closers.splice(0)) close()
  }
}

/** Writes a file, reads it back through the server and on the host, gives it attributes, and removes it. */
function writer(fs: Fs): (round: number) => Promise<void> {
  return async (round) => {
    const bytes = randomBytes(1 + ((round * 7919) % 200_000))
    const name = `file-${round % 5}`
    const file = await fs.open(name, { access: 'rw', create: true, truncate: true })
    for (let at = 0; at < bytes.length;) at += await file.write(at, bytes.subarray(at, at + 9000))
    if (round % 3 === 0) await file.sync()
    expectSame(await readAll(file, bytes.length), bytes)
    await file.chmod(0o640)
    await file.utimes(1_000_000_000n, 'now')
    await file.close()
    await fs.link(name, `${name}-again`)
    await fs.symlink(name, `${name}-by-name`)
    if ((await fs.stat(`${name}-by-name`)).nlink !== 2) throw new Error(`${name} has not two names`)
    for (const each of ['', '-again', '-by-name']) await fs.unlink(name + each)
  }
}

async function readAll(
  file: { read(offset: number, length: number): Promise<Buffer> },
  length: number,
): Promise<Buffer> {
  const parts: Buffer[] = []
  for (let at = 0; at < length;) {
    const part = await file.read(at, length - at)
    if (part.length === 0) break
    parts.push(part)
    at += part.length
  }
  return Buffer.concat(parts)
}

function expectSame(found: Buffer, written: Buffer): void {
  if (!found.equals(written)) throw new Error('a file is not what was written to it')
}

/** Makes a deep tree, renames its directories while a file in it is open, and removes it. */
function renamer(fs: Fs): (round: number) => Promise<void> {
  return async (round) => {
    const text = Buffer.from(`round ${round}`)
    await fs.mkdir('a')
    await fs.mkdir('a/b')
    await fs.mkdir('a/b/c')
    const file = await fs.open('a/b/c/file', { access: 'rw', create: true })
    await file.write(0, text)
    await fs.rename('a/b', 'moved')
    await fs.rename('moved/c', 'a/c')
    await fs.rename('moved', 'a/c/inner')
    expectSame(await file.read(0, 100), text)
    await fs.rename('a/c/file', 'a/c/inner/file')
    expectSame(await file.read(0, 100), text)
    await fs.unlink('a/c/inner/file')
    await file.close()
    for (const directory of ['a/c/inner', 'a/c', 'a']) await fs.rmdir(directory)
  }
}

/** Lists a directory while names come and go in it. Those that stay are there once. */
async function lister(fs: Fs): Promise<(round: number) => Promise<void>> {
  const stay = Array.from({ length: 40 }, (_, i) => `stays-${i}`)
  for (const name of stay) await create(fs, name)
  return async (round) => {
    const listing = await fs.list('.')
    const seen: string[] = []
    for (let names = await listing.next(); names.length > 0; names = await listing.next()) {
      seen.push(...names.map(({ name }) => name))
      await create(fs, `comes-${round}-${seen.length}`)
    }
    await listing.close()
    if (stay.some((name) => seen.filter((each) => each === name).length !== 1)) {
      throw new Error('a name that stays was not listed once')
    }
    for (const { name } of await fs.readdir('.')) {
      if (name.startsWith('comes-')) await fs.unlink(name)
    }
  }
}

async function create(fs: Fs, name: string): Promise<void> {
  await (await fs.open(name, { access: 'w', create: true })).close()
}

/** Holds more fids than the server may have descriptors, and looks at each of them now and then. */
async function holder(soak: Soak): Promise<(round: number) => Promise<void>> {
  const client = await soak.client()
  const fs = NineFs.over(client, false)
  await fs.mkdir('holder')
  for (let i = 0; i < MANY; i++) {
    const name = `file-${i}`
    const file = await fs.open(`holder/${name}`, { access: 'w', create: true, exclusive: true })
    await file.write(0, Buffer.alloc(i))
    await file.close()
    await client.call.walk({ fid: 0, newfid: 1 + i, names: ['holder', name] })
    // A fid stands for its file and not for a name.
    if (i % 2 === 0) await fs.rename(`holder/${name}`, `holder/renamed-${i}`)
  }
  return async (round) => {
    for (let step = 0; step < 50; step++) {
      const i = (round * 50 + step * 7) % MANY
      const { size } = await client.call.getattr({ fid: 1 + i, mask: flags.getattr.SIZE })
      if (size !== i) throw new Error(`fid ${1 + i} has become another file, of ${size} bytes`)
    }
  }
}

/** Several clients lock places in one file and wait for each other. No two have the same place at once. */
async function locker(soak: Soak): Promise<(round: number) => Promise<void>> {
  const clients = await Promise.all(Array.from({ length: LOCKERS }, () => soak.client()))
  const fs = NineFs.over(clients[0]!, false)
  await create(fs, 'locked')
  for (const client of clients) {
    await client.call.walk({ fid: 0, newfid: 1, names: ['locked'] })
    await client.call.lopen({ fid: 1, flags: flags.open.RDWR })
  }
  const owners = new Map<number, Client>()
  const { WRLCK, UNLCK, BLOCK, SUCCESS } = flags.lock
  const ask = (client: Client, type: number, slot: number): Promise<{ readonly status: number }> =>
    client.call.lock({
      fid: 1,
      type,
      flags: BLOCK,
      start: BigInt(slot * 10),
      length: 10n,
      procId: 1 + clients.indexOf(client),
      clientId: 'soak',
    })
  const turn = async (client: Client, slot: number): Promise<void> => {
    while ((await ask(client, WRLCK, slot)).status !== SUCCESS);
    if (owners.has(slot)) throw new Error('two clients have the same lock')
    owners.set(slot, client)
    await client.call.getattr({ fid: 1, mask: 1 })
    owners.delete(slot)
    await ask(client, UNLCK, slot)
  }
  return async (round) => {
    await Promise.all(
      clients.map(async (client, i) => {
        for (let step = 0; step < 20; step++) await turn(client, (round + step * (i + 1)) % SLOTS)
      }),
    )
  }
}

/** Connects, leaves requests and open files behind, and is gone. */
async function visit({ place }: Soak, round: number): Promise<void> {
  const socket = await connected({ kind: 'unix', path: place.unix })
  const client = await attached(socket)
  await client.call.walk({ fid: 0, newfid: 1, names: ['locked'] }).catch(expectRefused)
  const asked = Array.from({ length: 20 }, (_, i) =>
    client.call.walk({ fid: 0, newfid: 100 + i, names: [] }),
  )
  if (round % 2 === 0) await Promise.all(asked)
  const gone = Promise.allSettled(asked)
  socket.destroy()
  await gone
}

function expectRefused(error: unknown): void {
  if (!isSystemError(error)) throw error
}

/** Another server on the same directory is killed at work. The next one takes its place on the socket. */
async function killServer({ place }: Soak, round: number): Promise<void> {
  await using cli = Cli.start(['serve', place.shared, '--listen', `unix:${place.killed}`])
  await cli.printed('trans=unix')
  const client = await attached(await connected({ kind: 'unix', path: place.killed }))
  const fs = NineFs.over(client, false)
  const name = `of-the-killed-${round % 3}`
  const file = await fs.open(name, { access: 'rw', create: true, truncate: true })
  await file.write(0, Buffer.from(`round ${round}`))
  await file.sync()
  const asked = client.call.fsync({ fid: 0, datasync: 0 }).catch(() => {})
  cli.child.kill('SIGKILL')
  await Promise.all([asked, cli.end()])
  client.close()
  const text = readFileSync(join(place.shared, name), 'utf8')
  if (text !== `round ${round}`) throw new Error(`what was synced is not there: ${text}`)
}
