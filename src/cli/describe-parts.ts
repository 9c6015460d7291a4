import type { Inventory } from '../provision/inventory.ts'

/** A line for each part: what was found and where, or what to do about it. */
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

/** A name and what there is to say about it. */
export function row(name: string, text: string): string {
  return `${name.padEnd(14)}${text}`
}
