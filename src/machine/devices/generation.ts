import type { Device } from './device.ts'

/**
 * The generation of a machine (vmgenid). A new value tells the guest's kernel that it was restored, and that other machines
 * may have the same random numbers. QEMU has it for x86 alone.
 */
export const generation: Device = { device: ['-device', 'vmgenid,guid=auto'] }
