import type { ChosenAccelerator } from '../machine/accelerator.ts'

/** Whether everything that happens to machines is to be shown as it happens. */
export const isDebugging = (process.env['LOWERDIR_DEBUG'] ?? '') !== ''

/** Shows a line to whoever runs the tests. */
export function say(line: string): void {
  // oxlint-disable-next-line no-restricted-properties -- the driver has nobody else to say it for it.
  process.stderr.write(`lowerdir: ${line}\n`)
}

const said = new Set<string>()

/** Says once how guests run, and says it loudly where they are slow. */
export function sayAccelerator({ accelerator, reason }: ChosenAccelerator): void {
  if (said.has(accelerator)) return
  said.add(accelerator)
  say(
    accelerator === 'kvm'
      ? `guests run with KVM: ${reason}.`
      : `NO KVM (${reason}): guests are emulated, 10 to 20 times slower. Default timeouts are thrice as long.`,
  )
}
