import type { InitDevice, InitDevices } from '../guest/init.ts'
import type { UpperDisk } from '../guest/upper.ts'
import { generation } from './devices/board.ts'
import { monitor, screen, serialConsole, terminal } from './devices/consoles.ts'
import type { Device } from './devices/device.ts'
import { type DiskImage, disk } from './devices/disk.ts'
import { exportDevices } from './devices/exports.ts'
import { switchNic, userNic } from './devices/nics.ts'
import type { Export } from './exports.ts'
import type { MachinePlan } from './plan.ts'

/** What the parts connect QEMU to on the host: sockets and images. */
export interface HostEnds {
  /** As {@link planExports} gives them. */
  readonly exports: readonly Export[]
  /** A unix socket that listens for QEMU's monitor. */
  readonly monitor: string
  /** A unix socket that listens for the guest's terminal, if the plan has one. */
  readonly terminal: string | undefined
  /** The images of the disks: the upper layer's first. */
  readonly disks: readonly DiskImage[]
  /** What the init script is told of the upper layer's disk. */
  readonly upper: UpperDisk | null
}

/**
 * The parts of a machine, in the order of their devices. The kernel numbers the NICs in this order too. The
 * NICs that the guest sees come first; the init script takes the last one for the exports.
 */
export function machineParts(plan: MachinePlan, ends: HostEnds): Device[] {
  const { arch, userNetwork, nics } = plan
  return [
    ...(plan.screen ? [screen(arch)] : []),
    serialConsole(arch),
    monitor(ends.monitor),
    ...(userNetwork === null ? [] : [userNic(userNetwork)]),
    ...nics.map(switchNic),
    ...(arch === 'x64' ? [generation] : []),
    ...exportDevices(ends.exports),
    ...ends.disks.map((image, i) =>
      disk(image, i, i === 0 && ends.upper !== null ? ends.upper : undefined),
    ),
    ...(ends.terminal === undefined ? [] : [terminal(ends.terminal)]),
  ]
}

/** What the init script does with the parts of a machine. */
export function initDevices(parts: readonly Device[]): InitDevices {
  const all = parts.flatMap(({ init }) => (init === undefined ? [] : [init]))
  const nics = all.flatMap(({ nic }) => (nic === undefined ? [] : [nic]))
  return {
    control: only(all, 'control'),
    root: only(all, 'root'),
    shares: all.flatMap(({ share }) => share ?? []),
    upper: all.find(({ upper }) => upper !== undefined)?.upper ?? null,
    nics,
  }
}

function only<K extends 'control' | 'root'>(
  all: readonly InitDevice[],
  name: K,
): NonNullable<InitDevice[K]> {
  const found = all.find((each) => each[name] !== undefined)?.[name]
  if (found === undefined) throw new TypeError(`The machine has no part that is its ${name}.`)
  return found
}
