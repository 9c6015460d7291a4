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

test('a header is not given out before its last byte, and its body is not waited for', () => {
  const reader = new MessageReader()
  const header = PING.subarray(0, -1)
  expect(reader.add(Buffer.concat([Buffer.from('OK 01\r\n'), header]))).toEqual([])
  expect(reader.add(PING.subarray(-1))).toHaveLength(1)
  const greeted = recorded.indexOf('\r\n', recorded.indexOf('OK ')) + 2
  expect(reader.add(recorded.subarray(greeted, -1))).toHaveLength(15)
})

test('the header behind a body of any length is found', () => {
  const long = Buffer.from(PING)
  long.writeUInt32LE(1000, 4)
  const message = Buffer.concat([Buffer.from('OK 01\r\n'), long, Buffer.alloc(1000), PING])
  for (const size of [1, 100, message.length]) {
    const pieces: Buffer[] = []
    for (let at = 0; at < message.length; at += size) pieces.push(message.subarray(at, at + size))
    expect(read(pieces)).toHaveLength(2)
  }
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
  ['a greeting without an end', `DATA\r\n${'x'.repeat(20_000)}`, 'greeting of 20000 bytes'],
  [
    'a header of megabytes',
    'OK 01\r\nl\x04\0\x01\0\0\0\0\x01\0\0\0\0\0\x10\0',
    'header of 1048592 bytes is over the limit',
  ],
])('%s is refused', (_name, bytes, message) => {
  expect(() => read([Buffer.from(bytes, 'latin1')])).toThrow(message)
})
