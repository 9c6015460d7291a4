import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import type { Guest } from '../../../src/driver/guest.ts'
import { ManagerSignals } from '../../../src/driver/systemd/manager-signals.ts'
import { MachineError } from '../../../src/machine/failure.ts'

/** A guest whose commands all fail with an error. */
function failing(error: Error): Guest {
  const exec = (): never => {
    throw error
  }
  return { exec } as unknown as Guest
}

const patient = new AbortController().signal

it('tries again if systemd does not answer, and reports a possible change meanwhile', async () => {
  await using signals = await ManagerSignals.open(
    failing(new MachineError('no', '')),
    undefined,
    patient,
  )
  await signals.next(['/some/unit'], patient)
})

it('does not hide any other error', async () => {
  const opening = ManagerSignals.open(failing(new TypeError('a bug')), undefined, patient)
  await expect(opening).rejects.toThrow('a bug')
})

it('ends a wait when it fails later', async () => {
  const errors: Error[] = [new MachineError('no', ''), new TypeError('a bug')]
  const exec = (): never => {
    throw errors.shift() ?? new Error('too often')
  }
  const signals = await ManagerSignals.open({ exec } as unknown as Guest, undefined, patient)
  await signals.next(['/some/unit'], patient)
  await expect(signals.next(['/some/unit'], patient)).rejects.toThrow('a bug')
  await expect(signals.next(['/some/unit'], patient)).rejects.toThrow('a bug')
  await expect(signals[Symbol.asyncDispose]()).rejects.toThrow('a bug')
})

it('keeps no memory of signals that no wait is for', async () => {
  const SIGNALS = 100_000
  let growth = 0
  async function* output(): AsyncGenerator<{ stream: string; data: Buffer }> {
    yield { stream: 'stdout', data: Buffer.concat([Buffer.from('OK 1\r\n'), message(2, PONG)]) }
    const other = message(4, OTHER)
    const before = heapUsed()
    for (let i = 0; i < SIGNALS; i++) {
      yield { stream: 'stdout', data: other }
      // The wait has a look.
      await Promise.resolve()
    }
    growth = heapUsed() - before
    yield { stream: 'stdout', data: message(4, AWAITED) }
    await new Promise((resolve) => {
      stop = () => resolve(undefined)
    })
  }
  let stop = (): void => {}
  const signals = await ManagerSignals.open(
    { exec: output } as unknown as Guest,
    undefined,
    patient,
  )
  await signals.next(['/some/unit'], patient)
  expect(growth / SIGNALS).toBeLessThan(50)
  const disposed = signals[Symbol.asyncDispose]()
  stop()
  await disposed
})

/** Header fields: REPLY_SERIAL 1, and the paths of two objects. */
const PONG = Buffer.from([5, 1, 0x75, 0, 1, 0, 0, 0])
const OTHER = path('/another')
const AWAITED = path('/some/unit')

function path(text: string): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(text.length)
  return Buffer.concat([Buffer.from([1, 1, 0x6f, 0]), length, Buffer.from(`${text}\0`)])
}

/** A message without a body. @param type 2 for a return, 4 for a signal. */
function message(type: number, fields: Buffer): Buffer {
  const fixed = Buffer.from([0x6c, type, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
  fixed.writeUInt32LE(fields.length, 12)
  return Buffer.concat([fixed, fields, Buffer.alloc(-fields.length & 7)])
}

function heapUsed(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().heapUsed
}
