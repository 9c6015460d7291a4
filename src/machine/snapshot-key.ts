import { createHash } from 'node:crypto'
import { readFile, readdir, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isSystemError } from '../util/error.ts'
import type { MachinePlan } from './plan.ts'

/**
 * The parts of a root that the key covers, relative to it: what a package manager changes. The key decides
 * whether a snapshot is still useful. It need not be complete: the servers find changed open files by
 * themselves (ESTALE).
 */
const LANDMARKS = [
  '.',
  'bin',
  'etc',
  'lib',
  'opt',
  'sbin',
  'srv',
  'usr',
  'usr/bin',
  'usr/lib',
  'usr/local/bin',
  'usr/sbin',
  'usr/share',
  'etc/systemd/system',
  'usr/lib/systemd/system',
  'var/lib/dpkg/status',
  'lib/apk/db/installed',
  'var/lib/pacman/local',
  'var/lib/rpm',
] as const

/** The rooms of our own code that a guest and its saved state depend on. */
const ROOMS = [
  '9p',
  'fuse',
  'guest',
  'machine',
  'server',
  'session',
  'sys',
  'transport',
  'tree',
  'util',
  'wire',
] as const

/**
 * A hash of all that goes into a snapshot: the plan; stat(2) of the files that the plan names; the root's place, and stat(2)
 * of some landmarks in it; our own code; and what was done with the machine.
 *
 * It does not cover other files of the root, nor the content of shares.
 *
 * @param doing what was done with the machine between its boot and its snapshot, in words or in code.
 * @returns 64 hexadecimal digits.
 */
export async function snapshotKey(plan: MachinePlan, doing: string): Promise<string> {
  const { qemu, kernel, busybox, initrd, root, shares, upper, disks } = plan
  const files = [
    qemu.command,
    ...qemu.args,
    kernel.image,
    join(kernel.modules, 'modules.dep'),
    busybox,
    ...(initrd === null ? [] : [initrd]),
    ...(upper !== null && 'file' in upper ? [upper.file] : []),
    ...disks.flatMap((disk) => ('file' in disk ? [disk.file] : [])),
  ].filter((path) => isAbsolute(path))
  const shared = shares.flatMap((share) => ('source' in share ? [share.source] : []))
  const parts = [
    await ownCode(),
    doing,
    plan,
    await Promise.all(files.map((path) => state(path, true))),
    // The content of shares may change.
    await Promise.all(shared.map((path) => state(path, false))),
    await Promise.all(LANDMARKS.map((path) => state(join(root, path), path !== '.'))),
    (await state(root, true)) !== null,
  ]
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}

/** Which file is at `path` and, with `withChanges`, in which state; null where stat(2) fails. */
async function state(path: string, withChanges: boolean): Promise<readonly string[] | null> {
  try {
    const { dev, ino, size, ctimeNs } = await stat(path, { bigint: true })
    return [dev, ino, ...(withChanges ? [size, ctimeNs] : [])].map(String)
  } catch (error) {
    if (isSystemError(error)) return null
    throw error
  }
}

let code: Promise<string> | undefined

/** A fingerprint of our own code, as it is installed. */
function ownCode(): Promise<string> {
  code ??= hashRooms()
  return code
}

async function hashRooms(): Promise<string> {
  const hash = createHash('sha256')
  for (const room of ROOMS) {
    const folder = fileURLToPath(new URL(`../${room}/`, import.meta.url))
    const names = await readdir(folder, { recursive: true })
    for (const name of names.filter((each) => each.endsWith('.js')).toSorted()) {
      hash.update(name).update(await readFile(join(folder, name)))
    }
  }
  return hash.digest('hex')
}
