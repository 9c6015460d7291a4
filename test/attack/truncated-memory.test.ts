import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, it } from 'vitest'
import { payloadBytes } from '../../src/9p/index.ts'
import { errno } from '../../src/sys/errno.ts'
import { attached, connected } from '../support/directory-server.ts'
import { errnoOf } from '../support/errors.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'
import { type DeviceOptions, VirtualDevice } from '../support/vhost-user/virtual-device.ts'
import { Cli } from '../support/vm-cli.ts'

/**
 * A VMM that truncates the memory it has shared. Whoever touches such memory afterwards is ended by SIGBUS, so the server
 * is a process of its own here.
 */
let directory: string
let server: Cli

beforeEach(() => {
  directory = temporaryDirectory()
  writeFileSync(join(directory, 'file'), 'text')
})

/** @param option of the device's address. */
async function serve(option = ''): Promise<void> {
  const address = `vhost-user:${join(directory, 'device')}${option}`
  const socket = `unix:${join(directory, 'socket')}`
  server = Cli.start(['serve', directory, '--listen', address, '--listen', socket, '--verbose'])
  afterwards(() => void server[Symbol.asyncDispose]())
  await server.printed('serving')
}

function device(options: Partial<DeviceOptions> = {}): VirtualDevice {
  const made = new VirtualDevice(join(directory, 'device'), options)
  afterwards(() => made.close())
  return made
}

/** Another client of the same server reads the file. */
async function expectServed(): Promise<void> {
  const path = join(directory, 'socket')
  const client = await attached(await connected({ kind: 'unix', path }))
  await client.call.walk({ fid: 0, newfid: 1, names: ['file'] })
  await client.call.lopen({ fid: 1, flags: 0 })
  const { data } = await client.call.read({ fid: 1, offset: 0, count: 9 })
  expect(payloadBytes(data).toString()).toBe('text')
  client.close()
}

it('is not let in with memory that nobody can seal, and the others are served on', async () => {
  await serve()
  const attacker = device({ seals: 'none' })
  expect(() => attacker.sendMemory()).toThrow('answered "with the end"')
  attacker.ram.truncate()
  attacker.kick()
  await server.printed('region 0 of guest memory is a file that the frontend could truncate')
  await expectServed()
})

it('cannot truncate memory that can be sealed: the server has done that', async () => {
  await serve()
  const attacker = device().start()
  expect(errnoOf(() => attacker.ram.truncate())).toBe(errno.EPERM)
  attacker.kick()
  await expectServed()
})

it('is let in with such memory where the user trusts it', async () => {
  await serve(',unsealed')
  const trusted = device({ seals: 'none' })
  trusted.sendMemory()
  await expectServed()
})
