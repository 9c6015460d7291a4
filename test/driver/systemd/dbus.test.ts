import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type Header, MessageReader, PING } from '../../../src/driver/systemd/dbus.ts'
import { unitPath } from '../../../src/driver/systemd/unit-properties.ts'

/** What systemd 252 has said on its private socket: to the greeting, to a ping, and while a unit was started. */
const recorded = Buffer.from(
  readFileSync(new URL('private-socket.base64', import.meta.url), 'latin1'),
  'base64',
)

const manager = '/org/freedesktop/systemd1'

function read(pieces: readonly Buffer[]): Header[] {
  const reader = new MessageReader()
  return pieces.flatMap((piece) => reader.add(piece))
}

test('messages of systemd are read: the answer to the ping, then the changed units', () => {
  const [answer, ...signals] = read([recorded])
  expect(answer).toMatchObject({ type: 'return', replySerial: 1 })
  expect(new Set(signals.map(({ type }) => type))).toEqual(new Set(['signal']))
  expect(signals.map(({ path, member }) => `${path.replace(`${manager}/`, '')} ${member}`)).toEqual(
    [
      `${manager} UnitNew`,
      `${manager} JobNew`,
      'unit/system_2eslice PropertiesChanged',
      `${manager} UnitNew`,
      'unit/shutdown_2etarget PropertiesChanged',
      'unit/basic_2etarget PropertiesChanged',
      'unit/sysinit_2etarget PropertiesChanged',
      'unit/systemd_2djournald_2esocket PropertiesChanged',
      'unit/systemd_2djournald_2esocket PropertiesChanged',
      `${manager} JobNew`,
      'unit/system_2dodd_2eslice PropertiesChanged',
      'unit/system_2dodd_2eslice PropertiesChanged',
      `${manager} JobRemoved`,
      'unit/odd_401_2eservice PropertiesChanged',
    ],
  )
  expect(signals.at(-1)?.path).toBe(unitPath('odd@1.service'))
})

test.each([1, 7, 100])('it may come in pieces of %i bytes', (size) => {
  const pieces: Buffer[] = []
  for (let at = 0; at < recorded.length; at += size) pieces.push(recorded.subarray(at, at + size))
  expect(read(pieces)).toEqual(read([recorded]))
})

test('a message is not given out before its last byte', () => {
  const reader = new MessageReader()
  const whole = reader.add(recorded.subarray(0, -1)).length
  expect(reader.add(recorded.subarray(-1))).toHaveLength(1)
  expect(whole).toBe(14)
})

test('the ping is a call as the specification has it', () => {
  const greeted = Buffer.concat([Buffer.from('OK 0123\r\n'), PING])
  expect(read([greeted])).toEqual([{ type: 'call', path: '/', member: 'Ping', replySerial: 0 }])
})

test('the other byte order is read as well', () => {
  // A return for the call 258, of a body of 4 bytes.
  const fields = Buffer.from('0501750000000102', 'hex')
  const fixed = Buffer.from('42020001000000040000000900000008', 'hex')
  const message = Buffer.concat([Buffer.from('DATA\r\nOK 01\r\n'), fixed, fields, Buffer.alloc(4)])
  expect(read([message])).toEqual([{ type: 'return', path: '', member: '', replySerial: 258 }])
})

test.each([
  ['a server that wants more', 'REJECTED EXTERNAL\r\n', 'REJECTED EXTERNAL'],
  ['what is no message', `OK 01\r\n${'x'.repeat(16)}`, 'begins with l or B'],
  [
    'a message of gigabytes',
    'OK 01\r\nl\x04\0\x01\xff\xff\xff\x7f\x01\0\0\0\0\0\0\0',
    'is over the limit',
  ],
])('%s is refused', (_name, bytes, message) => {
  expect(() => read([Buffer.from(bytes, 'latin1')])).toThrow(message)
})
