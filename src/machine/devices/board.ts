import type { Accelerator } from '../accelerator.ts'
import type { Device } from './device.ts'
import { sharedMemory } from './vhost-user.ts'

/** An architecture of guests, which is the host's, as Node calls it. */
export type Arch = 'x64' | 'arm64'

/** What every machine has. */
export interface Board {
  readonly arch: Arch
  readonly accelerator: Accelerator
  readonly memoryMiB: number
  readonly cpus: number
}

/** QEMU's machine for guests of an architecture, as Node calls it. */
export function machineType(arch: string): string {
  return arch === 'arm64' ? 'virt' : 'q35'
}

/**
 * QEMU's arguments for what every machine has: a board, CPUs and memory.
 *
 * `-no-reboot`, with the kernel's `panic=-1`, ends QEMU at once when the kernel panics.
 *
 * @param sharesMemory whether programs of the host map the guest's memory.
 */
export function boardArguments(
  { arch, accelerator, memoryMiB, cpus }: Board,
  sharesMemory: boolean,
): string[] {
  const memory = sharesMemory ? sharedMemory(`${memoryMiB}M`) : undefined
  return [
    ['-nodefaults', '-no-user-config', '-no-reboot'],
    ['-display', 'none'],
    ['-machine', [machineType(arch), ...(memory ? [memory.machine] : [])].join(',')],
    ['-accel', accelerator === 'tcg' ? 'tcg,thread=multi' : 'kvm'],
    ['-cpu', accelerator === 'tcg' ? 'max' : 'host'],
    ['-m', `${memoryMiB}M`],
    ...(memory ? [['-object', memory.object]] : []),
    ['-smp', String(cpus)],
  ].flat()
}

/**
 * The generation of a machine (vmgenid). A new value tells the guest's kernel that it was restored, and that other machines
 * may have the same random numbers. QEMU has it for x86 alone.
 */
export const generation: Device = { device: ['-device', 'vmgenid,guid=auto'] }
