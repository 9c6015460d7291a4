import { posix } from 'node:path'
import { CHANGES_SCRIPT, CONTAINER_MARK, OWN_DIRECTORIES } from '../guest/changes.ts'
import type { Guest } from './guest.ts'
import { answered } from './waits/answered.ts'
import type { WaitOptions } from './waits/wait.ts'

/** The paths that a guest has written: absolute and sorted. Each path is in one list only. */
export interface Changes {
  readonly created: string[]
  readonly changed: string[]
  readonly deleted: string[]
}

/** Which changes are listed. */
export interface ChangesOptions extends WaitOptions {
  /**
   * Only the changes of this directory and below it. Its path must not contain symlinks. Deleted directories above it are
   * listed as well. Default: `/`.
   */
  readonly under?: string
}

/** Asks the guest for its changes. */
export async function changes(
  guest: Guest,
  { under = '/', ...options }: ChangesOptions,
): Promise<Changes> {
  if (!under.startsWith('/')) throw new RangeError(`changes: "${under}" is no absolute path.`)
  const script = `sh ${CHANGES_SCRIPT}`
  const list = await answered(guest, guest.answering, 'the list of changes', options, (signal) =>
    guest.qemu.askAgent(script, signal),
  )
  const all = parseChanges(list)
  const directory = posix.join(under, '/')
  const isUnder = (path: string): boolean => `${path}/`.startsWith(directory)
  return {
    created: all.created.filter(isUnder),
    changed: all.changed.filter(isUnder),
    deleted: all.deleted.filter((path) => isUnder(path) || directory.startsWith(`${path}/`)),
  }
}

/** Parses the output of the guest's script (guest/changes.ts): fields that end with a NUL. */
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
  // lowerdir made these directories before the guest's init ran, and the guest never sees the mark.
  for (const path of own) created.delete(path)
  deleted.delete(CONTAINER_MARK)
  return {
    created: [...created].toSorted(),
    changed: [...changed].toSorted(),
    deleted: [...deleted].toSorted(),
  }
}

/** A path and the directories above it, without the root. */
function ancestry(path: string): string[] {
  return path === '/' || path === '' ? [] : [path, ...ancestry(posix.dirname(path))]
}
