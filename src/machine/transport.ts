import { MSIZE_MAX, MSIZE_MIN } from '../9p/wire/limits.ts'
import type { Kernel } from '../guest/kernel.ts'
import { ModuleFolder } from '../guest/modules.ts'
import { VIRTIO_MSIZE } from '../guest/mount.ts'
import { runProgram } from '../util/program.ts'
import type { Qemu } from '../provision/qemu.ts'
import { machineType } from './devices/board.ts'
import {
  FS_DEVICE,
  FS_MODULE,
  P9_MODULE,
  VHOST_USER_DEVICE,
  fsDevice,
  sharedMemory,
  vhostUserDevice,
} from './devices/vhost-user.ts'
import { OptionError } from './failure.ts'

/**
 * How the guest's requests get to the servers. `virtiofs` and `9p` in the guest's own memory, which a server maps: FUSE with
 * QEMU's device for virtio-fs, or 9P with one that only new QEMUs have. `tcp`: 9P through QEMU's user network, which every
 * QEMU has.
 */
export type Transport = 'virtiofs' | '9p' | 'tcp'

/** The choices that a user has. */
export const transportChoices = ['auto', 'virtiofs', '9p', 'tcp'] as const satisfies readonly (
  | Transport
  | 'auto'
)[]

export type TransportChoice = (typeof transportChoices)[number]

/** A transport, and why it was chosen. */
export interface ChosenTransport {
  readonly transport: Transport
  /** Why, in a sentence without its full stop. */
  readonly reason: string
}

/** How long the trial of a device may take, in milliseconds. It takes about 100. */
const TRIAL_TIMEOUT = 10_000

/** A transport that takes a device of QEMU's and a module of the guest's kernel: the first that can be used is the fastest. */
interface DeviceTransport {
  readonly transport: 'virtiofs' | '9p'
  /** The name of QEMU's device, and its arguments for a trial. */
  readonly device: string
  readonly trial: string
  readonly module: string
  /** What helps where QEMU does not have the device. */
  readonly advice: string
}

const deviceTransports: readonly DeviceTransport[] = [
  {
    transport: 'virtiofs',
    device: FS_DEVICE,
    trial: fsDevice('tag'),
    module: FS_MODULE,
    advice: '',
  },
  {
    transport: '9p',
    device: VHOST_USER_DEVICE,
    trial: vhostUserDevice('tag'),
    module: P9_MODULE,
    advice: '; `lowerdir setup --qemu newest` fetches one that has',
  },
]

/**
 * Decides how files get to a guest: over virtio-fs where QEMU and the guest's kernel can, else in the fastest other way.
 *
 * @param asks9p whether something was asked for that only 9P has, such as a largest message. @throws OptionError for a
 *   transport that was asked for and cannot be used: nothing slower will do.
 */
export async function chooseTransport(
  choice: TransportChoice,
  qemu: Qemu,
  kernel: Kernel,
  asks9p = false,
): Promise<ChosenTransport> {
  if (choice === 'tcp') return { transport: 'tcp', reason: 'it was asked for' }
  const modules = await ModuleFolder.open(kernel.modules)
  const obstacles: string[] = []
  for (const way of deviceTransports) {
    const { transport, device, module } = way
    if (choice !== 'auto' && choice !== transport) continue
    if (choice === 'auto' && asks9p && transport === 'virtiofs') continue
    const obstacle =
      (await qemuObstacle(qemu, way)) ??
      (modules.has(module) ? undefined : `the guest's kernel ${kernel.release} has no ${module}`)
    if (obstacle === undefined) {
      const reason =
        choice === transport ? 'it was asked for' : `QEMU ${qemu.version.text} has ${device}`
      return { transport, reason }
    }
    obstacles.push(obstacle)
  }
  const reason = obstacles.join(', and ')
  if (choice === 'auto') return { transport: 'tcp', reason }
  throw new OptionError(
    `${choice} cannot be used: ${reason}. Without --transport ${choice} files take another way.`,
  )
}

/** Lets QEMU create the device without a backend. QEMU's list of devices does not tell whether users may create one. */
async function qemuObstacle(
  { command, args, version }: Qemu,
  way: DeviceTransport,
): Promise<string | undefined> {
  const memory = sharedMemory('64M')
  const trial = [
    ['-nodefaults', '-no-user-config', '-display', 'none', '-S'],
    ['-machine', `${machineType(process.arch)},${memory.machine}`, '-m', '64M'],
    ['-object', memory.object],
    ['-device', way.trial],
  ].flat()
  const signal = AbortSignal.timeout(TRIAL_TIMEOUT)
  const said = await runProgram(command, [...args, ...trial], { signal }).then(
    ({ stderr }) => stderr,
    (error: unknown) => String(error),
  )
  return obstacleIn(said, version.text, way)
}

/**
 * The obstacle that QEMU's message of the trial stands for; undefined if there is none. A device that complains about its
 * missing backend is one that QEMU can create.
 */
export function obstacleIn(
  said: string,
  version: string,
  { device, advice }: Pick<DeviceTransport, 'device' | 'advice'>,
): string | undefined {
  if (said.includes('missing chardev')) return undefined
  if (said.includes('not a valid device model name')) {
    return `QEMU ${version} has no ${device}${advice}`
  }
  const words = said.trim().split('\n').at(-1) ?? ''
  return `QEMU ${version} cannot make a ${device}${words === '' ? '' : `: ${words}`}`
}

/** The largest message that Linux's client takes over each transport, in bytes. */
const MOST = { '9p': VIRTIO_MSIZE, tcp: MSIZE_MAX } as const

/**
 * Returns `msize`, a largest message in bytes, if the root and the shares can be mounted with it over `transport`. Null
 * leaves it to the transport.
 *
 * @throws OptionError for a size that Linux's client refuses, or replaces by a smaller one with a line on the console
 *   alone (net/9p/client.c).
 */
export function checkMsize(msize: number | null, transport: Transport): number | null {
  if (msize === null) return null
  if (transport === 'virtiofs') {
    throw new OptionError(
      "The largest message (msize) is 9P's, and virtio-fs has none: leave one of the two out.",
    )
  }
  const most = MOST[transport]
  if (msize >= MSIZE_MIN && msize <= most) return msize
  const elsewhere = most < MSIZE_MAX ? `, over tcp up to ${MSIZE_MAX}` : ''
  throw new OptionError(
    `The largest message (msize) cannot have ${msize} bytes: ` +
      `over ${transport} Linux takes ${MSIZE_MIN} to ${most}${elsewhere}.`,
  )
}
