import { existsSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Kernel } from '../guest/kernel.ts'
import { findParts } from '../provision/inventory.ts'
import { ErrnoError, errnoOf } from '../sys/errno.ts'
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
  const transport = await chooseTransport(options.transport ?? 'auto', qemu, kernel)
  return {
    arch: process.arch === 'arm64' ? 'arm64' : 'x64',
    cwd,
    accelerator,
    qemu,
    kernel,
    busybox: busybox.path,
    transport,
    root: findRoot(resolve(cwd, options.root ?? '/'), kernel),
  }
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
