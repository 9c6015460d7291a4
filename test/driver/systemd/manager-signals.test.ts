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

it('tries again where systemd does not answer, and takes it that something may have happened', async () => {
  await using signals = await ManagerSignals.open(failing(new MachineError('no', '')), undefined)
  await signals.next(['/some/unit'], patient)
})

it('does not hide any other error', async () => {
  const opening = ManagerSignals.open(failing(new TypeError('a bug')), undefined)
  await expect(opening).rejects.toThrow('a bug')
})
