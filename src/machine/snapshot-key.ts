import { createHash } from 'node:crypto'
import { readFile, readdir, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MachinePlan } from './plan.ts'

/**
 * What is looked at of a root, relative to it: what a package manager touches. It tells whether a snapshot is still worth
 * going on with, and not whether that is right: files that have changed elsewhere are found out by the servers.
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

/** Our own code that a guest and its saved state depend on, as folders beside this one. */
const ROOMS = ['9p', 'guest', 'machine', 'server', 'sys', 'transport', 'tree', 'util'] as const

/**
 * Names a snapshot by all that has gone into it: a machine's options; the files that they name, by what stat(2) says of
 * them; its root, by where it is and what stat(2) says of some landmarks; our own code; and what was done with it.
 *
 * It does not see what has changed in a root elsewhere than there, nor what is in shares.
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
    ...(upper === null ? [] : [upper.file]),
    ...disks.flatMap((disk) => ('file' in disk ? [disk.file] : [])),
  ].filter((path) => isAbsolute(path))
  const shared = shares.flatMap((share) => ('source' in share ? [share.source] : []))
  const parts = [
    await ownCode(),
    doing,
    plan,
    await Promise.all(files.map((path) => state(path, true))),
    // What is in them may change as it likes.
    await Promise.all(shared.map((path) => state(path, false))),
    await Promise.all(LANDMARKS.map((path) => state(join(root, path), path !== '.'))),
    (await state(root, true)) !== null,
  ]
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}

/** Which file it is and, if wanted, in which state; null where there is none. */
async function state(path: string, withChanges: boolean): Promise<readonly string[] | null> {
  try {
    const { dev, ino, size, ctimeNs } = await stat(path, { bigint: true })
    return [dev, ino, ...(withChanges ? [size, ctimeNs] : [])].map(String)
  } catch {
    return null
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
