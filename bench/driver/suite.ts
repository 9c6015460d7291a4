import { Machine } from '../../src/driver/machine.ts'
import type { DriverGuest } from './guests.ts'
import type { SuiteTimes } from './results.ts'

/**
 * Runs small tests one after the other, each on a machine of its own: first with a boot for each, then with a restore for
 * each. The times include the one boot and the snapshot that the restores need.
 *
 * @param step gets the progress.
 */
export async function timeSuite(
  guest: DriverGuest,
  tests: number,
  step: (text: string) => void,
): Promise<SuiteTimes> {
  const booted = await timed(async () => {
    for (let i = 1; i <= tests; i++) {
      step(`test ${i} of ${tests} that boot`)
      await test(() => guest.boot())
    }
  })
  const restored = await timed(async () => {
    step('a snapshot for the tests that restore')
    await using snapshot = await snapshotOf(guest)
    for (let i = 1; i <= tests; i++) {
      step(`test ${i} of ${tests} that restore`)
      await test(() => Machine.restore(snapshot))
    }
  })
  return { guest: guest.name, tests, booted, restored }
}

async function snapshotOf(guest: DriverGuest): ReturnType<Machine['snapshot']> {
  await using machine = await guest.boot()
  return await machine.snapshot()
}

/** A few commands; the first fails on a machine that another test has used. */
async function test(start: () => Promise<Machine>): Promise<void> {
  await using machine = await start()
  await machine.succeed('! [ -e /root/of-a-test ] && echo something >/root/of-a-test')
  await machine.succeed('grep something /root/of-a-test')
}

async function timed(run: () => Promise<void>): Promise<number> {
  const began = performance.now()
  await run()
  return performance.now() - began
}
