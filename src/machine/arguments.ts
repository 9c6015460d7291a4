import { systemdArguments } from '../guest/systemd.ts'
import { boardArguments } from './devices/board.ts'
import type { Device } from './devices/device.ts'
import type { MachinePlan } from './plan.ts'

/**
 * QEMU's command line for a machine: its board and its kernel, then what each part says.
 *
 * @param parts of the machine (parts.ts).
 * @param initrd the initramfs.
 */
export function qemuArguments(
  plan: MachinePlan,
  parts: readonly Device[],
  initrd: string,
): string[] {
  const sharesMemory = parts.some((part) => part.sharesMemory === true)
  return [
    boardArguments(plan, sharesMemory),
    ['-kernel', bootImage(plan)],
    ['-initrd', initrd],
    ['-append', kernelArguments(plan, parts)],
    ...parts.map(({ backend = [] }) => backend),
    ...parts.map(({ device = [] }) => device),
    plan.qemuArguments,
  ].flat()
}

/**
 * The file of the kernel. An emulated CPU decompresses an image slowly; KVM's does not, and the image's own start moves
 * the kernel to a random address, as on a real machine. It also asks the firmware what the screen is: without, Linux has no
 * text console on a graphics card (struct screen_info).
 */
function bootImage({ kernel, accelerator, screen }: MachinePlan): string {
  return accelerator === 'tcg' && !screen ? (kernel.elf ?? kernel.image) : kernel.image
}

/**
 * The kernel's command line. `panic=-1` reboots at once when the kernel panics, which ends QEMU (board.ts).
 * `net.ifnames=0` keeps the names that the kernel gives to NICs, in the order of their devices.
 */
function kernelArguments({ append, hostname }: MachinePlan, parts: readonly Device[]): string {
  return [
    ...parts.flatMap(({ kernel = [] }) => kernel),
    'quiet panic=-1 mitigations=off net.ifnames=0',
    ...systemdArguments(hostname),
    append,
  ]
    .join(' ')
    .trim()
}
