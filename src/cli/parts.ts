import { inventory, type Parts } from '../provision/inventory.ts'
import { UserError } from './failure.ts'

/**
 * Finds everything that a guest takes.
 *
 * @throws UserError with a sentence for each thing that is missing.
 */
export async function findParts(
  paths: Readonly<Record<'qemu' | 'kernel', string | undefined>>,
): Promise<Parts> {
  const { qemu, busybox, kernel } = await inventory({ paths })
  if (qemu.found !== undefined && busybox.found !== undefined && kernel.found !== undefined) {
    return { qemu: qemu.found, busybox: busybox.found, kernel: kernel.found }
  }
  const missing = [qemu.missing, busybox.missing, kernel.missing].filter(
    (sentence) => sentence !== undefined,
  )
  throw new UserError(missing.join('\nlowerdir: '))
}
