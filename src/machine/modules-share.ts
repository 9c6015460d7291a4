import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Kernel } from '../guest/kernel.ts'
import type { DirectoryShare } from './plan.ts'

/**
 * The modules of a kernel that is not the root's own, where the guest's modprobe looks for them.
 *
 * @param shows whether the guest sees a path of the root.
 */
export function modulesShare(
  root: string,
  { modules, release }: Kernel,
  shows: (path: string) => boolean = () => true,
): DirectoryShare[] {
  const target = `/lib/modules/${release}`
  if (existsSync(join(root, target)) && shows(target)) return []
  const owner = { uid: 0, gid: 0 }
  return [{ source: modules, target, readOnly: true, owner, withRoot: true }]
}
