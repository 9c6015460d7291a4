import { EXPORT_ADDRESS, type TcpMount, type VirtioMount } from '../guest/mount.ts'
import { systemdArguments } from '../guest/systemd.ts'
import type { Accelerator } from './accelerator.ts'
import type { DiskImage } from './disks.ts'
import type { NetworkCard, UserNetwork } from './plan.ts'
import { sharedMemory, vhostUserDevice } from './devices/vhost-user.ts'

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
  readonly exports: readonly MachineExport[]
  /** A unix socket that listens for QEMU's monitor. */
  readonly qmpSocket: string
  /** A unix socket that listens for the guest's terminal, hvc0. */
  readonly terminalSocket?: string | undefined
  readonly userNetwork: UserNetwork | null
  readonly networkCards: readonly NetworkCard[]
  readonly disks: readonly DiskImage[]
  readonly screen: boolean
  readonly hostname: string
  /** Whatever else QEMU is to know. */
  readonly further: readonly string[]
}

/** A unix socket that a server listens on, and where the guest finds what it serves. */
export interface MachineExport {
  readonly socket: string
  readonly mount: Pick<TcpMount, 'transport' | 'port'> | Pick<VirtioMount, 'transport' | 'tag'>
}

/**
 * QEMU's command line for a machine. The kernel's console is QEMU's standard output.
 *
 * An export is either a virtio device of its own, whose backend is its server, or a `guestfwd` of a user network
 * that reaches nothing else: no open port on the host, no network for the guest.
 */
export function qemuArguments(spec: MachineSpec): string[] {
  const { arch, accelerator, memoryMiB, cpus, terminalSocket } = spec
  const forwards: string[] = []
  const devices: string[][] = []
  for (const [i, { mount }] of spec.exports.entries()) {
    const chardev = `export${i}`
    if (mount.transport === 'tcp')
      forwards.push(`guestfwd=tcp:${EXPORT_ADDRESS}:${mount.port}-chardev:${chardev}`)
    else devices.push(['-device', `${vhostUserDevice(mount.tag)},chardev=${chardev}`])
  }
  const memory = devices.length > 0 ? sharedMemory(`${memoryMiB}M`) : undefined
  return [
    ['-nodefaults', '-no-user-config', '-no-reboot'],
    ['-display', 'none'],
    ['-machine', [machineType(arch), ...(memory ? [memory.machine] : [])].join(',')],
    ['-accel', accelerator === 'tcg' ? 'tcg,thread=multi' : 'kvm'],
    ['-cpu', accelerator === 'tcg' ? 'max' : 'host'],
    ['-m', `${memoryMiB}M`],
    ...(memory ? [['-object', memory.object]] : []),
    ['-smp', String(cpus)],
    ['-kernel', spec.kernel],
    ['-initrd', spec.initrd],
    ['-append', kernelArguments(spec)],
    ['-chardev', 'stdio,id=console,signal=off'],
    ['-serial', 'chardev:console'],
    ['-chardev', `socket,id=qmp,path=${value(spec.qmpSocket)}`],
    ['-qmp', 'chardev:qmp'],
    ...spec.exports.map(({ socket }, i) => [
      '-chardev',
      `socket,id=export${i},path=${value(socket)}`,
    ]),
    ...(spec.screen ? [['-device', arch === 'arm64' ? 'virtio-gpu-pci' : 'VGA']] : []),
    ...(spec.userNetwork === null ? [] : [userNetwork(spec.userNetwork)]),
    ...spec.networkCards.map(networkCard),
    // By it the guest's kernel hears that it was restored, and that others may have its random numbers.
    ...(arch === 'x64' ? [['-device', 'vmgenid,guid=auto']] : []),
    ['-netdev', ['user', 'id=exports', 'restrict=on', ...forwards].join(',')],
    ['-device', `${CARD},netdev=exports`],
    ...devices,
    ...spec.disks.map(disk),
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

/**
 * A network card. `romfile=` keeps its boot ROM from being run, which takes seconds. One that goes on with a saved guest
 * would have that announce itself five times, to networks in which it is where it was. (QEMU's announce-rounds of 0 would
 * do as well, but 11.1 crashes then when the card is reset.)
 */
const CARD = 'virtio-net-pci,romfile=,guest_announce=off'

/** QEMU's name for the user network that the guest may see, as its monitor knows it. */
export const USER_NETDEV = 'user'

function userNetwork({ restricted, forwards }: UserNetwork): string[] {
  const ports = forwards.map(({ host, guest }) => `hostfwd=tcp:127.0.0.1:${host}-:${guest}`)
  const netdev = ['user', `id=${USER_NETDEV}`, `restrict=${restricted ? 'on' : 'off'}`, ...ports]
  const card = `${CARD},netdev=${USER_NETDEV},id=card-${USER_NETDEV}`
  return ['-netdev', netdev.join(','), '-device', card]
}

function networkCard({ socket, mac }: NetworkCard, index: number): string[] {
  const id = `net${index}`
  const netdev = `stream,id=${id},server=off,addr.type=unix,addr.path=${value(socket)}`
  const card = `${CARD},netdev=${id},id=card-${id},mac=${mac}`
  return ['-netdev', netdev, '-device', card]
}

/** QEMU's name for a disk, as its monitor knows it. */
export function diskId(index: number): string {
  return `disk${index}`
}

/** Its format is said, so that nobody takes what a guest has written on a raw one for that of another. */
function disk({ file, format, readOnly, untouched }: DiskImage, index: number): string[] {
  const id = diskId(index)
  const device = ['-device', `virtio-blk-pci,drive=${id}`]
  if (untouched === true) {
    // The one way in which QEMU makes an overlay by itself.
    return [
      '-drive',
      `if=none,id=${id},file=${value(file)},format=${format},snapshot=on`,
      ...device,
    ]
  }
  const image = `file.driver=file,file.filename=${value(file)}`
  const node = `driver=${format},node-name=${id},read-only=${readOnly ? 'on' : 'off'},${image}`
  return ['-blockdev', node, ...device]
}

/** QEMU's machine for guests of an architecture, as Node calls it. */
export function machineType(arch: string): string {
  return arch === 'arm64' ? 'virt' : 'q35'
}

/** A value in one of QEMU's comma-separated lists. */
export function value(text: string): string {
  return text.replaceAll(',', ',,')
}

/**
 * `panic=-1` with `-no-reboot` ends QEMU at once when the kernel panics. The last console is /dev/console. Cards
 * keep the names that the kernel gives them, in their order here.
 */
function kernelArguments({ arch, append, screen, hostname }: MachineSpec): string {
  return [
    ...(screen ? ['console=tty0'] : []),
    `console=${arch === 'arm64' ? 'ttyAMA0' : 'ttyS0'}`,
    'quiet panic=-1 mitigations=off net.ifnames=0',
    ...systemdArguments(hostname),
    append,
  ]
    .join(' ')
    .trim()
}
