import { existsSync } from 'node:fs'
import type { FoundKernel } from '../provision/kernel.ts'
import type { Inventory } from '../provision/inventory.ts'
import type { MachinePlan } from './plan.ts'

/**
 * Why no machine that is booted today gets a snapshot of this plan: its QEMU or its kernel is gone, or is not the one that
 * is found now. One that the test has named only has to be there. Undefined where both fit.
 */
export function whyUnfit(
  { qemu, kernel }: Pick<MachinePlan, 'qemu' | 'kernel'>,
  now: Inventory,
): string | undefined {
  if (!existsSync(qemu.command)) return `its QEMU, ${qemu.command}, is gone`
  if (!existsSync(kernel.image)) return `its kernel, ${kernel.image}, is gone`
  const version = now.qemu.found?.version.text
  if (qemu.source !== 'option' && version !== qemu.version.text) {
    return version === undefined ? 'there is no QEMU now' : `QEMU is ${version} now`
  }
  // The plan of a snapshot has it, as the kernel was found.
  const { source } = kernel as Partial<FoundKernel>
  const release = now.kernel.found?.release
  if (source !== 'option' && release !== kernel.release) {
    return release === undefined ? 'there is no kernel now' : `the kernel is ${release} now`
  }
  return undefined
}
