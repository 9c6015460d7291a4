import { once } from 'node:events'
import { type Server, type Socket, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Qmp, type QmpEvent } from '../../src/machine/qmp.ts'
import { temporaryDirectory } from '../support/temporary.ts'

let server: Server
let monitor: Socket
let qmp: Qmp

/** Answers each command with what `reply` makes of it, after QEMU's greeting. */
function answer(reply: (command: { execute: string; id: number }) => object): void {
  monitor.write('{"QMP": {"version": {}, "capabilities": []}}\r\n')
  createInterface({ input: monitor }).on('line', (line) => {
    monitor.write(`${JSON.stringify(reply(JSON.parse(line)))}\r\n`)
  })
}

beforeEach(async () => {
  const path = join(temporaryDirectory(), 'monitor.sock')
  server = createServer()
  server.listen(path)
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  qmp = new Qmp(connect(path))
  monitor = ((await accepted) as [Socket])[0]
})

afterEach(() => {
  monitor.destroy()
  server.close()
})

it('resolves with what a command returns', async () => {
  answer(({ execute, id }) => ({ return: { was: execute }, id }))
  await qmp.negotiate()
  expect(await qmp.execute('query-status')).toEqual({ was: 'query-status' })
})

it('rejects with QEMU’s own words', async () => {
  answer(({ id }) => ({ error: { class: 'CommandNotFound', desc: 'no such thing' }, id }))
  await expect(qmp.execute('nonsense')).rejects.toThrow('QMP: no such thing')
})

it('tells events from replies', async () => {
  const events: QmpEvent[] = []
  qmp.on('event', (event) => events.push(event))
  answer(({ id }) => {
    monitor.write('{"event": "SHUTDOWN", "data": {"reason": "guest-reset"}}\r\n')
    return { return: {}, id }
  })
  await qmp.execute('stop')
  expect(events).toMatchObject([{ event: 'SHUTDOWN', data: { reason: 'guest-reset' } }])
})

it('answers two commands by their ids, in whatever order', async () => {
  const waiting: string[] = []
  answer(({ execute, id }) => {
    waiting.unshift(JSON.stringify({ return: execute, id }))
    if (waiting.length === 2) monitor.write(`${waiting.join('\r\n')}\r\n`)
    return { event: 'RTC_CHANGE' }
  })
  expect(await Promise.all([qmp.execute('one'), qmp.execute('two')])).toEqual(['one', 'two'])
})

it('rejects what waits when QEMU is gone', async () => {
  const waiting = qmp.execute('stop')
  monitor.destroy()
  await expect(waiting).rejects.toThrow('QEMU has closed its monitor')
})

it('rejects a command once QEMU has closed the monitor', async () => {
  const asked = qmp.execute('query-status')
  monitor.destroy()
  await expect(asked).rejects.toThrow('QEMU has closed its monitor')
  await expect(qmp.execute('query-status')).rejects.toThrow('QEMU has closed its monitor')
})

it.each([
  ['a line that is no JSON', 'qemu-system: oops\r\n', 'what is no QMP: qemu-system: oops'],
  ['a line that is no object', 'null\n', 'what is no QMP: null'],
  ['a line without an end', 'x'.repeat((16 << 20) + 1), 'a line of over 16777216 characters'],
])('closes the monitor after %s, and says so', async (_what, line, why) => {
  const asked = qmp.execute('query-status')
  const closed = once(monitor.on('error', () => {}).resume(), 'close')
  monitor.write(line)
  await expect(asked).rejects.toThrow(why)
  await closed
})

it('puts a line together that comes in pieces', async () => {
  const asked = qmp.execute('query-status')
  const reply = `${JSON.stringify({ return: 'ü'.repeat(1000), id: 1 })}\r\n`
  for (const byte of Buffer.from(reply)) {
    monitor.write(Buffer.from([byte]))
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(await asked).toBe('ü'.repeat(1000))
})
