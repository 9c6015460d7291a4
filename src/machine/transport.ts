import { MSIZE_MAX, MSIZE_MIN } from '../9p/wire/limits.ts'
import type { Kernel } from '../guest/kernel.ts'
import { ModuleFolder } from '../guest/modules.ts'
import { VIRTIO_MSIZE } from '../guest/mount.ts'
import { runProgram } from '../util/program.ts'
import type { Qemu } from '../provision/qemu.ts'
import { machineType } from './devices/board.ts'
import {
  P9_MODULE,
  VHOST_USER_DEVICE,
  sharedMemory,
  vhostUserDevice,
} from './devices/vhost-user.ts'
import { OptionError } from './failure.ts'

/**
 * How the guest's requests get to the servers: `vhost-user` in the guest's own memory, which a server maps;
 * `tcp` through QEMU's user network, which every QEMU has.
 */
export type Transport = 'vhost-user' | 'tcp'

/** The choices that a user has. */
export const transportChoices = ['auto', 'vhost-user', 'tcp'] as const satisfies readonly (
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

/**
 * Decides how files get to a guest: over vhost-user where QEMU and the guest's kernel can.
 *
 * @throws OptionError for `vhost-user` where they cannot: it was asked for, so nothing slower will do.
 */
export async function chooseTransport(
  choice: TransportChoice,
  qemu: Qemu,
  kernel: Kernel,
): Promise<ChosenTransport> {
  if (choice === 'tcp') return { transport: 'tcp', reason: 'it was asked for' }
  const obstacle = (await qemuObstacle(qemu)) ?? (await kernelObstacle(kernel))
  if (obstacle === undefined) {
    return {
      transport: 'vhost-user',
      reason:
        choice === 'vhost-user'
          ? 'it was asked for'
          : `QEMU ${qemu.version.text} has ${VHOST_USER_DEVICE}`,
    }
  }
  if (choice === 'vhost-user') {
    throw new OptionError(
      `vhost-user cannot be used: ${obstacle}. ` +
        'Without --transport vhost-user files take the slower way, over tcp.',
    )
  }
  return { transport: 'tcp', reason: obstacle }
}

/** Lets QEMU create the device without a backend. QEMU's list of devices does not tell whether users may create one. */
async function qemuObstacle({ command, args, version }: Qemu): Promise<string | undefined> {
  const memory = sharedMemory('64M')
  const trial = [
    ['-nodefaults', '-no-user-config', '-display', 'none', '-S'],
    ['-machine', `${machineType(process.arch)},${memory.machine}`, '-m', '64M'],
    ['-object', memory.object],
    ['-device', vhostUserDevice('tag')],
  ].flat()
  const signal = AbortSignal.timeout(TRIAL_TIMEOUT)
  const said = await runProgram(command, [...args, ...trial], { signal }).then(
    ({ stderr }) => stderr,
    (error: unknown) => String(error),
  )
  return obstacleIn(said, version.text)
}

/**
 * The obstacle that QEMU's message of the trial stands for; undefined if there is none. A device that complains about its
 * missing backend is one that QEMU can create.
 */
export function obstacleIn(said: string, version: string): string | undefined {
  if (said.includes('missing chardev')) return undefined
  if (said.includes('not a valid device model name')) {
    return `QEMU ${version} has no ${VHOST_USER_DEVICE}; \`lowerdir setup --qemu newest\` fetches one that has`
  }
  const words = said.trim().split('\n').at(-1) ?? ''
  return `QEMU ${version} cannot make a ${VHOST_USER_DEVICE}${words === '' ? '' : `: ${words}`}`
}

async function kernelObstacle({ modules, release }: Kernel): Promise<string | undefined> {
  const folder = await ModuleFolder.open(modules)
  if (folder.has(P9_MODULE)) return undefined
  return `the guest's kernel ${release} has no ${P9_MODULE}`
}

/** The largest message that Linux's client takes over each transport, in bytes. */
const MOST: Readonly<Record<Transport, number>> = { 'vhost-user': VIRTIO_MSIZE, tcp: MSIZE_MAX }

/**
 * Returns `msize`, a largest message in bytes, if the root and the shares can be mounted with it over `transport`. Null
 * leaves it to the transport.
 *
 * @throws OptionError for a size that Linux's client refuses, or replaces by a smaller one with a line on the console
 *   alone (net/9p/client.c).
 */
export function checkMsize(msize: number | null, transport: Transport): number | null {
  const most = MOST[transport]
  if (msize === null || (msize >= MSIZE_MIN && msize <= most)) return msize
  const elsewhere = most < MSIZE_MAX ? `, over tcp up to ${MSIZE_MAX}` : ''
  throw new OptionError(
    `The largest message (msize) cannot have ${msize} bytes: ` +
      `over ${transport} Linux takes ${MSIZE_MIN} to ${most}${elsewhere}.`,
  )
}
