import type { Control } from './control/control.ts'
import type { ClockResult } from './control/set-right.ts'
import type { Watch } from './watch.ts'

/** When a guest's clock begins to be set exactly, in milliseconds. The guest's first command comes first. */
const DELAY = 500

/** How often a clock is set anew that the guest has set itself meanwhile. */
const ATTEMPTS = 3

/** Makes the guest's clock right in the next seconds, unless the guest sets it itself. */
export function setRightSoon(control: Control, log: (line: string) => void): void {
  const begin = async (): Promise<void> => {
    const wrong = wrongness(await control.clock.setRight())
    if (wrong !== undefined) log(wrong)
  }
  setTimeout(() => void begin(), DELAY).unref()
}

/** Makes the guest's clock right. @throws MachineError when that is not possible. */
export async function setRightNow(control: Control, watch: Watch): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const result = await control.clock.setRight()
    if (result.kind === 'right') return
    const wrong = wrongness(result)
    if (wrong !== undefined) throw watch.failure(wrong)
  }
  throw watch.failure(
    `The guest's clock was set ${ATTEMPTS} times, and something in the guest has set it otherwise each time. Stop what keeps the time there.`,
  )
}

/** Why a clock is wrong, for a person; undefined where nothing is wrong, or where the guest wants it so. */
function wrongness(result: ClockResult): string | undefined {
  if (result.kind === 'unknown') {
    return "The guest does not say what time it is: it does not answer, or its busybox's shell has no $EPOCHREALTIME (busybox 1.31 has)."
  }
  if (result.kind !== 'off') return undefined
  const { early } = result
  const how = early < 0 ? `${-early} ms late` : `${early} ms early`
  return `The guest's clock is still ${how} after it was set many times: the host has too much else to do.`
}
