import type { InitDevice } from '../../guest/init.ts'

/**
 * One part of a machine: all that QEMU, the guest's kernel and the guest's init script must know of it. A machine's parts
 * are a list (parts.ts), and each command line is the concatenation of what they say.
 */
export interface Device {
  /** QEMU's arguments for the host's end of it. Those of all parts come before the first device. */
  readonly backend?: readonly string[]
  /**
   * QEMU's arguments for what the guest sees. PCI slots follow the order of the devices, and a snapshot holds the slots: a
   * machine must go on with the same devices in the same order.
   */
  readonly device?: readonly string[]
  /** Whether the host's end maps the guest's memory. */
  readonly sharesMemory?: boolean
  /** Arguments for the guest's kernel. */
  readonly kernel?: readonly string[]
  /** Kernel modules that the guest needs for it, in the order to load them. Default: none. */
  readonly modules?: readonly string[]
  /** What the guest's init script does with it. Default: nothing. */
  readonly init?: InitDevice
}

/** A value in one of QEMU's comma-separated lists. */
export function value(text: string): string {
  return text.replaceAll(',', ',,')
}
