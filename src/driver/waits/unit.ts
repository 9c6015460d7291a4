import type { Guest } from '../guest.ts'
import { MANAGER_PATH, ManagerSignals } from '../systemd/manager-signals.ts'
import { type UnitOptions, unitStatus } from '../systemd/systemctl.ts'
import { type UnitState, lookAt } from '../systemd/unit-state.ts'
import { failure, waitFor } from './wait.ts'

/** After the end of another unit's job, how long to wait for further ends before the next look, in milliseconds. */
const BETWEEN_JOBS = 500

/**
 * Waits until a unit is active. systemd's D-Bus signals say when to look at it.
 *
 * @throws WaitError at once when the unit has failed, or when it is inactive and systemd has no job left that could
 *   start it. The message has the unit's status and the end of its journal.
 */
export async function waitForUnit(
  guest: Guest,
  unit: string,
  { user, ...options }: UnitOptions,
): Promise<void> {
  const what = `the unit ${unit}${user === undefined ? '' : ` of ${user}`}`
  let state: UnitState | undefined
  await waitFor(
    guest,
    what,
    options,
    async (signal) => {
      let signals: ManagerSignals | undefined
      try {
        for (let isDoubtful = false; ;) {
          signal.throwIfAborted()
          state = await lookAt(guest, unit, user, signal)
          if (state.active === 'active') return
          const isIdle = state.active === 'inactive' && !state.hasJob && !state.othersHaveJobs
          if (state.active === 'failed' || (isIdle && isDoubtful)) {
            const { id, result } = state
            guest.recorder.event({ kind: 'unit-failed', unit: id, result })
            const details = await unitStatus(guest, unit, { user })
            throw failure(guest, what, whyNot(state), { details })
          }
          // The unit's own job may have ended between the two questions of a look, so one more look decides.
          isDoubtful = isIdle
          if (isIdle) continue
          // Signals report changes from now on. Another look finds the changes before.
          if (signals === undefined) signals = await ManagerSignals.open(guest, user, signal)
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
 * Resolves when a unit's state may have changed. A unit with a job has signals of its own; for a unit without one it
 * matters when other units' jobs end, since the last one decides that nothing will start it.
 */
async function news(signals: ManagerSignals, state: UnitState, signal: AbortSignal): Promise<void> {
  if (!state.othersHaveJobs) return signals.next([state.path], signal)
  await signals.next([state.path, MANAGER_PATH], signal)
  const soon = AbortSignal.any([signal, AbortSignal.timeout(BETWEEN_JOBS)])
  try {
    await signals.next([state.path], soon)
  } catch (error) {
    if (!soon.aborted) throw error
  }
}

function whyNot({ active, described }: UnitState): string {
  return active === 'failed'
    ? `it has ${described}`
    : `it is ${described}; and there is nothing that would start it`
}
