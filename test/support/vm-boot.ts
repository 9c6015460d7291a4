import { provision } from '../../src/provision/inventory.ts'
import { boot } from '../../src/driver/boot.ts'
import { Machine } from '../../src/driver/machine.ts'
import type { BootOptions } from '../../src/driver/options.ts'
import { snapshotOf } from '../../src/driver/snapshot-of.ts'
import { oldest } from './vm-machine.ts'

/** Milliseconds between two looks at a machine. */
const LOOK = 5000

/** Milliseconds that a command or a wait may go on without any event of its machine. */
const STILL = 150_000

/** A machine of the test driver's whose root is this one's, without systemd. What it takes is fetched where it is missing. */
export async function bootTested(options: BootOptions = {}): Promise<Machine> {
  await provision({ suite: oldest.kernel, want: ['qemu', 'kernel', 'busybox'] })
  return bootWatched({ root: '/', init: 'none', memory: 512, screen: false, ...options })
}

/** What a machine is that {@link restoreTested} has. */
export const restoredOptions = { root: '/', init: 'none', memory: 384, screen: false } as const

/**
 * A machine for tests that need one and do not care how it came to be: it goes on from a snapshot, which is made once
 * and kept (`snapshotOf`), in a tenth of the time of a boot. Its files come over tcp.
 */
export async function restoreTested(): Promise<Machine> {
  await provision({ suite: oldest.kernel, want: ['qemu', 'kernel', 'busybox'] })
  const snapshot = await snapshotOf(restoredOptions)
  return watched((signal) => Machine.restore(snapshot, { signal }))
}

/**
 * As `boot`, and the machine is ended when it stands still in the middle of a command or a wait. The reason names that
 * step. All further steps on the machine fail at once, so that the tests of a file wait for one time limit and not for
 * one each.
 */
export function bootWatched(options: BootOptions): Promise<Machine> {
  return watched((signal) => boot({ ...options, signal }))
}

/** @param start starts a machine that ends when the signal is aborted. */
async function watched(start: (signal: AbortSignal) => Promise<Machine>): Promise<Machine> {
  const stillness = new AbortController()
  const machine = await start(stillness.signal)
  const timer = setInterval(() => {
    const step = standsStillIn(machine)
    if (step !== undefined)
      stillness.abort(new Error(`not within ${STILL / 1000} seconds: ${step}`))
  }, LOOK)
  timer.unref()
  void machine.ended.then(() => clearInterval(timer))
  return machine
}

/** What has begun last and not ended, if nothing has happened to the machine for a long time. */
function standsStillIn({ recorder }: Machine): string | undefined {
  const { events } = recorder
  if (Date.now() - (events.at(-1)?.time ?? Infinity) < STILL) return undefined
  const open = new Map<number, string>()
  for (const event of events) {
    if (event.kind === 'command-started') open.set(event.id, `the command ${event.text}`)
    else if (event.kind === 'wait-started') open.set(event.id, `the wait for ${event.what}`)
    else if (event.kind === 'command-ended' || event.kind === 'wait-ended') open.delete(event.id)
  }
  return [...open.values()].at(-1)
}
