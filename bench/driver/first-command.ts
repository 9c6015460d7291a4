import type { Machine } from '../../src/driver/machine.ts'
import type { DriverGuest } from './guests.ts'
import { type CpuTime, cpuTime, taken } from './cpu-time.ts'

/** The time from nothing to the end of a machine's first command. */
export interface FirstCommand {
  readonly milliseconds: number
  readonly cpu: CpuTime
}

/**
 * Starts a machine and runs its first command.
 *
 * @param start makes the machine, which the caller has to dispose of.
 */
export async function timeFirstCommand(
  guest: DriverGuest,
  start: () => Promise<Machine>,
): Promise<{ readonly machine: Machine; readonly first: FirstCommand }> {
  const before = cpuTime()
  const began = performance.now()
  const machine = await start()
  try {
    await machine.succeed('true')
    const milliseconds = performance.now() - began
    return {
      machine,
      first: { milliseconds, cpu: taken(before, cpuTime(guest.pid())) },
    }
  } catch (error) {
    await machine[Symbol.asyncDispose]()
    throw error
  }
}
