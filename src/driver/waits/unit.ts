import type { Machine } from '../machine.ts'
import { MANAGER_PATH, ManagerSignals } from '../systemd/manager-signals.ts'
import { type UserOption, unitStatus } from '../systemd/systemctl.ts'
import { type UnitState, lookAt } from '../systemd/unit-state.ts'
import { type WaitOptions, failure, waitFor } from './wait.ts'

/** How long the end of some other unit's job may be followed by others before the next look, in milliseconds. */
const BETWEEN_JOBS = 500

/**
 * Waits until a unit is active; systemd itself says when to look.
 *
 * @throws WaitError at once when it has failed, or is inactive and there is nothing that systemd has still to start or
 *   to stop; with the unit's status and the end of its journal.
 */
export async function waitForUnit(
  machine: Machine,
  unit: string,
  { user, ...options }: WaitOptions & UserOption,
): Promise<void> {
  const what = `the unit ${unit}${user === undefined ? '' : ` of ${user}`}`
  let state: UnitState | undefined
  await waitFor(
    machine.waiter,
    what,
    options,
    async (signal) => {
      let signals: ManagerSignals | undefined
      try {
        for (let isDoubtful = false; ;) {
          signal.throwIfAborted()
          state = await lookAt(machine, unit, user, signal)
          if (state.active === 'active') return
          const isIdle = state.active === 'inactive' && !state.hasJob && !state.othersHaveJobs
          if (state.active === 'failed' || (isIdle && isDoubtful)) {
            const { id, result } = state
            machine.recorder.event({ kind: 'unit-failed', unit: id, result })
            const details = await unitStatus(machine, unit, { user })
            throw failure(machine.waiter, what, whyNot(state), { details })
          }
          // The last job of all may have been its own, and have ended in between.
          isDoubtful = isIdle
          if (isIdle) continue
          // What happens from now on is heard of; for what has happened before there is another look.
          if (signals === undefined) signals = await ManagerSignals.open(machine, user)
          else await news(signals, state, signal)
        }
      } finally {
        await signals?.[Symbol.asyncDispose]()
      }
    },
    () => (state === undefined ? '' : `it is ${state.described}`),
  )
}

/**
 * Resolves when there may be something new about a unit. One that is about to be started says so itself; for another
 * it matters when the last of the others' jobs is over.
 */
async function news(signals: ManagerSignals, state: UnitState, signal: AbortSignal): Promise<void> {
  if (!state.othersHaveJobs) return signals.next([state.path], signal)
  await signals.next([state.path, MANAGER_PATH], signal)
  const soon = AbortSignal.any([signal, AbortSignal.timeout(BETWEEN_JOBS)])
  await signals.next([state.path], soon).catch(() => {})
}

function whyNot({ active, described }: UnitState): string {
  return active === 'failed'
    ? `it has ${described}`
    : `it is ${described}; and there is nothing that would start it`
}
