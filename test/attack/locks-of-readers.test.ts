import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, it } from 'vitest'
import { flags } from '../../src/9p/index.ts'
import type { HostPolicy } from '../../src/tree/host/policy.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { HostLocker } from '../support/host-locker.ts'
import { HostProbe } from '../support/host-probe.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/** A guest that may change nothing, and locks what the host's programs want to change. */
const { RDONLY, RDWR } = flags.open
const { RDLCK, WRLCK, UNLCK, SUCCESS, BLOCKED } = flags.lock

let directory: string
let file: string

beforeEach(() => {
  directory = temporaryDirectory()
  file = join(directory, 'lock')
  writeFileSync(file, 'text')
})

function guests(policy: Partial<HostPolicy>): [HostProbe, HostProbe] {
  const one = new HostProbe(directory, policy)
  return [one, new HostProbe(one.tree)]
}

function range(fid: number, type: number) {
  return { fid, type, start: 0n, length: 0n, procId: 1, clientId: 'guest' }
}

function lock(guest: HostProbe, fid: number, type: number = WRLCK): number {
  return guest.call('lock', { ...range(fid, type), flags: 0 }).status
}

it.each([RDLCK, WRLCK])(
  'locks nobody out with a lock of type %i on a read-only export',
  async (type) => {
    const [guest] = guests({ readOnly: true })
    const fid = guest.opened('lock')
    const before = openDescriptors()
    expect(lock(guest, fid, type)).toBe(SUCCESS)
    // Nor does it take a descriptor.
    expect(openDescriptors()).toBe(before)
    await using host = await HostLocker.start(file)
    expect(await host.lock('write')).toBe(true)
  },
)

it('is kept out by other guests, and not by the host', async () => {
  const [guest, other] = guests({ readOnly: true })
  await using host = await HostLocker.start(file)
  expect(await host.lock('write')).toBe(true)
  const [fid, second] = [guest.opened('lock'), other.opened('lock')]
  expect(guest.call('getlock', range(fid, WRLCK)).type).toBe(UNLCK)
  expect(lock(guest, fid)).toBe(SUCCESS)
  expect(lock(other, second)).toBe(BLOCKED)
  expect(other.call('getlock', range(second, WRLCK)).type).toBe(WRLCK)
  expect(lock(guest, fid, UNLCK)).toBe(SUCCESS)
  expect(lock(other, second)).toBe(SUCCESS)
})

it.each([{ readOnly: true, lockScope: 'host' }, { readOnly: false }] as const)(
  'and the host keep each other out where that is asked for, or the guest may write: %j',
  async (policy) => {
    const [guest] = guests(policy)
    const fid = guest.opened('lock', policy.readOnly ? RDONLY : RDWR)
    await using host = await HostLocker.start(file)
    expect(lock(guest, fid)).toBe(SUCCESS)
    expect(await host.lock('write')).toBe(false)
    expect(lock(guest, fid, UNLCK)).toBe(SUCCESS)
    expect(await host.lock('write')).toBe(true)
    expect(lock(guest, fid)).toBe(BLOCKED)
  },
)

it('and the host do not see each other on a writable export of which that is said', async () => {
  const [guest] = guests({ lockScope: 'guests' })
  const fid = guest.opened('lock', RDWR)
  await using host = await HostLocker.start(file)
  expect(lock(guest, fid)).toBe(SUCCESS)
  expect(await host.lock('write')).toBe(true)
})
