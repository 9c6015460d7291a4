import { ProvisionError } from './provision-error.ts'
import { type InventoryOptions, type Parts, inventory } from './inventory.ts'

/**
 * Finds everything that a guest takes. Fetches nothing.
 *
 * @throws ProvisionError with a sentence for each thing that is missing, and what to do about it.
 */
export async function findParts(options: InventoryOptions): Promise<Parts> {
  const { qemu, busybox, kernel } = await inventory(options)
  if (qemu.found !== undefined && busybox.found !== undefined && kernel.found !== undefined) {
    return { qemu: qemu.found, busybox: busybox.found, kernel: kernel.found }
  }
  const missing = [qemu.missing, busybox.missing, kernel.missing].filter(
    (sentence) => sentence !== undefined,
  )
  // Once is enough.
  const sentences = missing.length === 1 ? missing : [...missing.map(withoutAdvice), ADVICE]
  throw new ProvisionError('not-found', sentences.join('\nlowerdir: '))
}

const ADVICE = '`lowerdir setup` fetches what is missing.'

function withoutAdvice(sentence: string): string {
  return sentence.replace(/ `lowerdir setup` fetches one\.$/m, '')
}
