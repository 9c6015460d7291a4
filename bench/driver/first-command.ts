import type { Machine } from '../../src/driver/machine.ts'
import type { DriverGuest } from './guests.ts'
import { type ProcessorTime, processorTime, taken } from './processor-time.ts'

/** What it takes from nothing to the end of the first command. */
export interface FirstCommand {
  readonly milliseconds: number
  readonly processor: ProcessorTime
}

/**
 * Starts a machine and runs its first command.
 *
 * @param start makes the machine, which is then the caller's.
 */
export async function timeFirstCommand(
  guest: DriverGuest,
  start: () => Promise<Machine>,
): Promise<{ readonly machine: Machine; readonly first: FirstCommand }> {
  const before = processorTime()
  const began = performance.now()
  const machine = await start()
  try {
    await machine.succeed('true')
    const milliseconds = performance.now() - began
    return {
      machine,
      first: { milliseconds, processor: taken(before, processorTime(guest.pid())) },
    }
  } catch (error) {
    await machine[Symbol.asyncDispose]()
    throw error
  }
}
