// Imported first: it must be loaded before any module of src/.
import { libc } from './faulty-libc.mjs'
import { beforeEach, describe, expect, it } from 'vitest'
import { sendWithDescriptors } from '../../src/sys/descriptor-passing.ts'
import { errno } from '../../src/sys/errno.ts'
import { discard } from '../../src/sys/files.ts'
import { seqpacketPair } from '../../src/sys/sockets.ts'
import { systemMemory } from '../../src/sys/system-memory.ts'
import { Intake } from '../../src/server/intake.ts'
import { type PassedClient, readPassed, writePassed } from '../../src/server/passed-client.ts'
import { Route } from '../../src/server/route.ts'
import { startEngine } from '../../src/server/start.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { sharePolicy, shareSettings } from '../support/directory-server.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'

const client: PassedClient = {
  number: 7,
  place: 1,
  kind: 'tcp',
  msize: 8192,
  received: Buffer.from('the bytes of a Tattach'),
}

let lost: string[]
let taken: PassedClient[]
let log: string[]
let route: Route
let intake: Intake
let far: number

beforeEach(() => {
  lost = []
  taken = []
  log = []
  const [near, other] = seqpacketPair()
  far = other
  route = new Route(near, 'a', { add() {}, remove() {}, changed() {} }, 2, ({ number }, why) => {
    lost.push(`${number}: ${why}`)
  })
  const onPassed = (fd: number, passed: PassedClient): void => {
    discard(fd)
    taken.push(passed)
  }
  intake = new Intake(far, onPassed, (line) => log.push(line))
  afterwards(() => {
    libc.inject = undefined
    route.close()
    discard(far)
  })
})

/** A descriptor that can be passed on as a client's. */
function socket(): number {
  const [one, other] = seqpacketPair()
  discard(other)
  return one
}

describe('a client that is passed on', () => {
  it('arrives with its data, and leaves no descriptor here', () => {
    const before = openDescriptors()
    route.pass(socket(), client)
    intake.ready()
    expect(taken).toEqual([client])
    expect(openDescriptors()).toBe(before)
  })

  it.each(['ENOMEM', 'ETOOMANYREFS'] as const)(
    'is disconnected where sendmsg fails with %s, and the next one arrives',
    (name) => {
      const before = openDescriptors()
      const number = name === 'ENOMEM' ? errno.ENOMEM : 109
      libc.inject = (call) => (call === 'sendmsg' ? { errno: number } : undefined)
      route.pass(socket(), client)
      libc.inject = undefined
      expect(lost).toHaveLength(1)
      expect([route.isGone, openDescriptors()]).toEqual([false, before])
      route.pass(socket(), { ...client, number: 8 })
      intake.ready()
      expect(taken.map(({ number: each }) => each)).toEqual([8])
    },
  )

  it('waits while the other process takes none, and no more wait than may', () => {
    libc.inject = (call) => (call === 'sendmsg' ? { errno: errno.EAGAIN } : undefined)
    for (const number of [1, 2, 3]) route.pass(socket(), { ...client, number })
    expect(lost).toEqual(['3: too many wait for it'])
    expect(route.waitsFor).toBe('both')
    libc.inject = undefined
    route.ready()
    expect(route.waitsFor).toBe('read')
    intake.ready()
    expect(taken.map(({ number }) => number)).toEqual([1, 2])
  })

  it('is disconnected where the other process ends while it waits', () => {
    const before = openDescriptors()
    libc.inject = (call) => (call === 'sendmsg' ? { errno: errno.EPIPE } : undefined)
    route.pass(socket(), client)
    expect(lost).toEqual(['7: its process has ended'])
    expect([route.isGone, route.waitsFor, openDescriptors()]).toEqual([true, 'nothing', before])
  })

  it('is refused, and the next one taken, where it comes without a socket, or is none', () => {
    const before = openDescriptors()
    const memory = systemMemory(64)
    const other = socket()
    sendWithDescriptors(route.fd, memory.address, writePassed(memory, client), [])
    sendWithDescriptors(route.fd, memory.address, 8, [other])
    discard(other)
    route.pass(socket(), client)
    for (let i = 0; i < 3; i++) intake.ready()
    expect(log).toEqual([
      'a client could not be taken over: it came without its socket',
      'a client could not be taken over: what was passed on is no client',
    ])
    expect(taken).toEqual([client])
    expect(openDescriptors()).toBe(before)
  })

  it.each(['EMFILE', 'ENOMEM'] as const)('is lost where recvmsg fails with %s', (name) => {
    libc.inject = (call) => (call === 'recvmsg' ? { errno: errno[name] } : undefined)
    route.pass(socket(), client)
    intake.ready()
    expect(log).toEqual([`a client could not be taken over: recvmsg: ${name}`])
  })

  it('is none where the kind is unknown', () => {
    const memory = systemMemory(64)
    const length = writePassed(memory, client)
    memory.view.setUint32(12, 2, true)
    expect(() => readPassed(memory, length)).toThrow('what was passed on is no client')
  })
})

describe('an intake', () => {
  it('has nothing to do any more when the accepting process has ended', () => {
    const [near, own] = seqpacketPair()
    const alone = new Intake(own, discard, (line) => log.push(line))
    discard(near)
    alone.ready()
    expect([alone.waitsFor, log]).toEqual(['nothing', []])
    discard(own)
  })
})

describe('an engine with a process for each export', () => {
  it('cannot start without sockets between them, and leaves nothing', async () => {
    const folder = temporaryDirectory()
    const before = openDescriptors()
    const names = ['a', 'b', 'c']
    const exports = names.map((name) => Object.assign({ name, directory: folder }, sharePolicy))
    const listen = [{ kind: 'unix', path: `${folder}/socket` }] as const
    let calls = 0
    libc.inject = (call) => {
      return call === 'socketpair' && ++calls === 2 ? { errno: errno.EMFILE } : undefined
    }
    const share = { ...shareSettings, exports, listen, separate: true }
    await expect(startEngine(share)).rejects.toThrow('socketpair: EMFILE')
    expect(openDescriptors()).toBe(before)
  })
})
