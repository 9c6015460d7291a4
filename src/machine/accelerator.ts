import { accessSync, constants, readFileSync } from 'node:fs'

/** How QEMU runs the guest's instructions. */
export type Accelerator = 'kvm' | 'tcg'

/** What a user may ask for. */
export type AcceleratorChoice = Accelerator | 'auto'

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
 * and on x86 the processor must show its virtualization (vmx or svm), since a device without it belongs
 * to a host that is a guest itself and hangs in the firmware.
 *
 * @throws Error for `kvm` where there is none: it was asked for, so nothing slower will do.
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
    throw new Error(
      `KVM cannot be used: ${obstacle}. Without --accel kvm the guest is emulated, slowly.`,
    )
  }
  return { accelerator: 'tcg', reason: obstacle }
}

/**
 * The accelerator of a machine that was saved, for one that goes on from it: the guest has seen the processor that it
 * has with it, and runs on no other.
 *
 * @throws Error where that cannot be had here.
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
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT') return `there is no ${KVM}`
    return `${KVM} may not be opened by this user (its group is usually kvm)`
  }
  if (
    process.arch === 'x64' &&
    !/^flags\s*:.*\b(vmx|svm)\b/m.test(readFileSync('/proc/cpuinfo', 'latin1'))
  ) {
    return `${KVM} is there, but this processor shows neither vmx nor svm`
  }
  return undefined
}
