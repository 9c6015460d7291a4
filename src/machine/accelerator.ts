import { accessSync, constants, readFileSync } from 'node:fs'
import { OptionError } from './failure.ts'

/** How QEMU runs the guest's instructions. */
export type Accelerator = 'kvm' | 'tcg'

/**
 * How long a guest may take until it is ready, in milliseconds. Emulation is some twenty times slower than KVM, and a guest
 * that is merely slow must not be given up.
 */
export const BOOT_TIMEOUT: Readonly<Record<Accelerator, number>> = { kvm: 60_000, tcg: 300_000 }

/** The choices that a user has. */
export type AcceleratorChoice = Accelerator | 'auto'

/** An accelerator, and why it was chosen. */
export interface ChosenAccelerator {
  readonly accelerator: Accelerator
  /** Why, in a sentence without its full stop. */
  readonly reason: string
}

const KVM = '/dev/kvm'

/**
 * Decides how the guest runs.
 *
 * KVM is taken only where it can run an ordinary guest: the device must open for reading and writing,
 * and on x86 the CPU must show its virtualization (vmx or svm): a device without it belongs to a host that is a
 * guest itself, and QEMU then hangs in the firmware.
 *
 * @throws OptionError for `kvm` where there is none: it was asked for, so nothing slower will do.
 */
export function chooseAccelerator(choice: AcceleratorChoice): ChosenAccelerator {
  if (choice === 'tcg') return { accelerator: 'tcg', reason: 'it was asked for' }
  const obstacle = kvmObstacle()
  if (obstacle === undefined) {
    return {
      accelerator: 'kvm',
      reason: choice === 'kvm' ? 'it was asked for' : `${KVM} can be used`,
    }
  }
  if (choice === 'kvm') {
    throw new OptionError(
      `KVM cannot be used: ${obstacle}. Without --accel kvm the guest is emulated, slowly.`,
    )
  }
  return { accelerator: 'tcg', reason: obstacle }
}

/**
 * The accelerator for a machine that goes on from a snapshot: the one that the saved machine had. The guest has seen the
 * CPU that this accelerator gives it, and does not run on another.
 *
 * @throws Error where it cannot be had here.
 */
export function sameAccelerator(accelerator: Accelerator): ChosenAccelerator {
  if (accelerator === 'tcg') {
    return { accelerator, reason: 'the machine was emulated when it was saved' }
  }
  const obstacle = kvmObstacle()
  if (obstacle !== undefined) {
    throw new Error(
      `The machine ran with KVM when it was saved, and KVM cannot be used here: ${obstacle}. Make the snapshot again.`,
    )
  }
  return { accelerator, reason: 'the machine ran with it when it was saved' }
}

function kvmObstacle(): string | undefined {
  try {
    accessSync(KVM, constants.R_OK | constants.W_OK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return `there is no ${KVM}`
    if (code === 'EACCES' || code === 'EPERM') {
      return `${KVM} may not be opened by this user (its group is usually kvm)`
    }
    return `${KVM} cannot be looked at (${code})`
  }
  if (
    process.arch === 'x64' &&
    !/^flags\s*:.*\b(vmx|svm)\b/m.test(readFileSync('/proc/cpuinfo', 'latin1'))
  ) {
    return `${KVM} is there, but this CPU shows neither vmx nor svm`
  }
  return undefined
}
