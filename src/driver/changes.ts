import { posix } from 'node:path'
import { CHANGES_SCRIPT, CONTAINER_MARK, OWN_DIRECTORIES } from '../guest/changes.ts'
import type { QemuMachine } from '../machine/qemu-machine.ts'

/** What a guest has written. Absolute paths, sorted; each is in one list only. */
export interface Changes {
  readonly created: string[]
  readonly changed: string[]
  readonly deleted: string[]
}

/** Which changes are wanted. */
export interface ChangesOptions {
  /** A directory, without symlinks in its path: what is in it, itself, and what is gone with a directory above it. */
  readonly under?: string
}

/** Asks the guest what it has written. */
export async function changes(
  qemu: QemuMachine,
  { under = '/' }: ChangesOptions,
): Promise<Changes> {
  if (!under.startsWith('/')) throw new RangeError(`changes: "${under}" is no absolute path.`)
  const all = parseChanges(await qemu.askAgent(`sh ${CHANGES_SCRIPT}`))
  const directory = posix.join(under, '/')
  const isUnder = (path: string): boolean => `${path}/`.startsWith(directory)
  return {
    created: all.created.filter(isUnder),
    changed: all.changed.filter(isUnder),
    deleted: all.deleted.filter((path) => isUnder(path) || directory.startsWith(`${path}/`)),
  }
}

/** What the fields say that the guest's script has written (guest/changes.ts). */
function parseChanges(fields: Buffer): Changes {
  const created = new Set<string>()
  const changed = new Set<string>()
  const deleted = new Set<string>()
  const own = new Set(OWN_DIRECTORIES)
  const rest = fields.toString().split('\0')[Symbol.iterator]()
  const next = (): string => rest.next().value ?? ''
  const names = (): string[] => {
    const all: string[] = []
    for (let name = next(); name !== ''; name = next()) all.push(posix.basename(name))
    return all
  }
  for (let kind = next(); kind !== ''; kind = next()) {
    const path = next()
    if (kind === 'own') ancestry(path).forEach((each) => own.add(each))
    if (kind === 'created') created.add(path)
    if (kind === 'changed') changed.add(path)
    if (kind !== 'names') continue
    const before = names()
    const now = new Set(names())
    for (const name of before) if (!now.has(name)) deleted.add(`${path}/${name}`)
  }
  // They were there before anybody in the guest: none of these can be created by others, and the mark is never seen.
  for (const path of own) created.delete(path)
  deleted.delete(CONTAINER_MARK)
  return {
    created: [...created].toSorted(),
    changed: [...changed].toSorted(),
    deleted: [...deleted].toSorted(),
  }
}

/** A path and all that it is in, without the root. */
function ancestry(path: string): string[] {
  return path === '/' || path === '' ? [] : [path, ...ancestry(posix.dirname(path))]
}
