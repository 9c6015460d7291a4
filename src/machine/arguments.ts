import { EXPORT_ADDRESS } from '../guest/mount.ts'
import type { Accelerator } from './accelerator.ts'

/** One machine, as far as QEMU has to know about it. */
export interface MachineSpec {
  readonly arch: 'x64' | 'arm64'
  readonly accelerator: Accelerator
  readonly memoryMiB: number
  readonly cpus: number
  readonly kernel: string
  readonly initrd: string
  /** Further kernel arguments. */
  readonly append: string
  /** Unix sockets that 9P servers listen on, and the guest's port for each. */
  readonly exports: readonly { readonly socket: string; readonly port: number }[]
  /** A unix socket that listens for QEMU's monitor. */
  readonly qmpSocket: string
  /** A unix socket that listens for the guest's terminal, hvc0. */
  readonly terminalSocket?: string | undefined
  /** Whatever else QEMU is to know. */
  readonly further: readonly string[]
}

/**
 * QEMU's command line for a machine. The kernel's console is QEMU's standard output.
 *
 * Each export is a `guestfwd` of a user network that reaches nothing else: no open port on the host,
 * no network for the guest. `romfile=` keeps the card's boot ROM from being run, which takes seconds.
 */
export function qemuArguments(spec: MachineSpec): string[] {
  const { arch, accelerator, memoryMiB, cpus, exports, terminalSocket } = spec
  const forwards = exports.map(
    ({ port }, i) => `guestfwd=tcp:${EXPORT_ADDRESS}:${port}-chardev:export${i}`,
  )
  return [
    ['-nodefaults', '-no-user-config', '-no-reboot'],
    ['-display', 'none'],
    ['-machine', arch === 'arm64' ? 'virt' : 'q35'],
    ['-accel', accelerator === 'tcg' ? 'tcg,thread=multi' : 'kvm'],
    ['-cpu', accelerator === 'tcg' ? 'max' : 'host'],
    ['-m', `${memoryMiB}M`],
    ['-smp', String(cpus)],
    ['-kernel', spec.kernel],
    ['-initrd', spec.initrd],
    ['-append', kernelArguments(spec)],
    ['-chardev', 'stdio,id=console,signal=off'],
    ['-serial', 'chardev:console'],
    ['-chardev', `socket,id=qmp,path=${value(spec.qmpSocket)}`],
    ['-mon', 'chardev=qmp,mode=control'],
    ...exports.map(({ socket }, i) => ['-chardev', `socket,id=export${i},path=${value(socket)}`]),
    ['-netdev', ['user', 'id=net', 'restrict=on', ...forwards].join(',')],
    ['-device', 'virtio-net-pci,netdev=net,romfile='],
    ...(terminalSocket === undefined
      ? []
      : [
          ['-device', 'virtio-serial-pci'],
          ['-chardev', `socket,id=terminal,path=${value(terminalSocket)}`],
          ['-device', 'virtconsole,chardev=terminal'],
        ]),
    spec.further,
  ].flat()
}

/** A value in one of QEMU's comma-separated lists. */
function value(text: string): string {
  return text.replaceAll(',', ',,')
}

/** `panic=-1` with `-no-reboot` ends QEMU at once when the kernel panics. */
function kernelArguments({ arch, append }: MachineSpec): string {
  const console = arch === 'arm64' ? 'ttyAMA0' : 'ttyS0'
  return `console=${console} quiet panic=-1 mitigations=off ${append}`.trim()
}
