import type { Inventory } from '../provision/inventory.ts'

/** A line for each part: its version and place, or why it is missing and what to do. */
export function describeParts({ qemu, busybox, kernel }: Inventory): string[] {
  return [
    row(
      'QEMU',
      qemu.missing ??
        `${qemu.found.version.text} (${qemu.found.source === 'cache' ? qemu.found.folder : qemu.found.command})`,
    ),
    row('busybox', busybox.missing ?? busybox.found.path),
    row('kernel', kernel.missing ?? `${kernel.found.release} (${kernel.found.image})`),
  ]
}

/** A name and a text in two columns. */
export function row(name: string, text: string): string {
  return `${name.padEnd(14)}${text}`
}
