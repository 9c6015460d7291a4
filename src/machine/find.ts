import { existsSync, statSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Kernel } from '../guest/kernel.ts'
import { findParts } from '../provision/inventory.ts'
import { ErrnoError, errnoOf } from '../sys/errno.ts'
import { instead } from '../util/error.ts'
import { chooseAccelerator } from './accelerator.ts'
import type { MachineOptions } from './options.ts'
import { type Found, type FoundRoot, modulesTarget } from './plan.ts'
import { chooseTransport } from './transport.ts'

/**
 * Looks up all that {@link planMachine} takes from this host. Starts nothing but QEMU, to ask what it can, and fetches
 * nothing.
 *
 * @throws OptionError where an accelerator or a transport was asked for that cannot be had; ProvisionError when QEMU,
 *   busybox or a kernel is missing; ErrnoError for a root that cannot be looked at.
 */
export async function findForPlan(options: MachineOptions): Promise<Found> {
  const cwd = process.cwd()
  const accelerator = chooseAccelerator(options.accel ?? 'auto')
  const { qemu, kernel, busybox } = await findParts({
    paths: { qemu: options.qemu, kernel: options.kernel },
  })
  const transport = await chooseTransport(
    options.transport ?? 'auto',
    qemu,
    kernel,
    options.msize !== undefined,
  )
  const root = findRoot(resolve(cwd, options.root ?? '/'), kernel)
  return {
    arch: process.arch === 'arm64' ? 'arm64' : 'x64',
    cwd,
    accelerator,
    qemu,
    kernel,
    busybox: busybox.path,
    transport,
    root,
    uid: process.getuid?.() ?? 0,
    besideRoot: await onSameFileSystem(root.path, sharedDirectories(options, cwd)),
  }
}

/** How long a file system may take to say which one it is, in milliseconds. One that hangs is taken for another. */
const DEVICE_TIMEOUT = 1000

/** The directories that are shared read-only: the others have engines of their own anyway. */
function sharedDirectories({ shares = [] }: MachineOptions, cwd: string): string[] {
  return shares.flatMap(({ source, readOnly = false }) =>
    readOnly && typeof source === 'string' ? [resolve(cwd, source)] : [],
  )
}

/** Those of `directories` that are on the file system of `path`, and say so in time. */
export async function onSameFileSystem(
  path: string,
  directories: readonly string[],
): Promise<string[]> {
  if (directories.length === 0) return []
  const [device, ...devices] = await Promise.all([path, ...directories].map(deviceOf))
  return directories.filter((_, i) => device !== undefined && devices[i] === device)
}

/** The number of the device, as in stat(2); undefined where there is no such directory, or it does not answer. */
function deviceOf(path: string): Promise<number | undefined> {
  const found = stat(path).then(({ dev }) => dev, instead(undefined))
  return Promise.race([found, sleep(DEVICE_TIMEOUT, undefined, { ref: false })])
}

/** Looks at a directory that is to be a root. @throws ErrnoError when there is none, or it cannot be looked at. */
export function findRoot(path: string, kernel: Kernel): FoundRoot {
  const has = (name: string): boolean => existsSync(join(path, name))
  return {
    path,
    uid: ownerOf(path),
    hasSystemd: has('usr/lib/systemd/systemd') || has('lib/systemd/systemd'),
    hasInit: has('sbin/init'),
    hasModules: has(modulesTarget(kernel)),
  }
}

function ownerOf(path: string): number {
  try {
    return statSync(path).uid
  } catch (error) {
    throw new ErrnoError(
      errnoOf(error),
      `the root ${path} cannot be served (\`lowerdir root DIR\` makes a Debian system)`,
    )
  }
}
