import { resolve } from 'node:path'
import type { HostExport } from '../tree/host/host-exports.ts'
import { UserError } from './user-error.ts'
import { takeOwnership } from './owner.ts'
import { splitAtCommas } from './values.ts'

/** How an export is served: all but its name and its directory. */
export type ExportPolicy = Omit<HostExport, 'name' | 'directory'>

/** A name that needs no quotes in a shell or among the options of mount(8). */
const NAME = /^[\w.-]{1,64}$/

const WORDS =
  'ro, rw, owner=OWNER, map=RANGE, atime=preserve, atime=guest, locks=guests, locks=host'

/**
 * `NAME=DIR[,ro][,rw][,owner=OWNER][,map=RANGE][,atime=preserve|guest][,locks=guests|host]`. A comma that is part of DIR is written twice.
 *
 * @param policy the defaults.
 */
function parseExport(text: string, policy: ExportPolicy): HostExport & { name: string } {
  const equals = text.indexOf('=')
  const name = text.slice(0, Math.max(0, equals))
  const [directory = '', ...words] = splitAtCommas(text.slice(equals + 1))
  if (!NAME.test(name) || directory === '') {
    throw new UserError(
      `--export ${text}: use NAME=DIR, where NAME is at most 64 letters, digits, and any of . _ -`,
    )
  }
  let { readOnly, atime, lockScope } = policy
  const { owner, rest } = takeOwnership(words, policy.owner)
  const given = new Set<string>()
  for (const word of rest) {
    if (word === 'ro' || word === 'rw') readOnly = word === 'ro'
    else if (word === 'atime=preserve') atime = 'preserve'
    else if (word === 'atime=guest') atime = 'guest'
    else if (word === 'locks=guests') lockScope = 'guests'
    else if (word === 'locks=host') lockScope = 'host'
    else {
      throw new UserError(
        `--export ${text}: '${word}' is none of ${WORDS}. Write a comma that is part of DIR twice.`,
      )
    }
    const what = /^\w+=/.exec(word)?.[0] ?? 'ro or rw'
    if (given.has(what)) {
      throw new UserError(`--export ${text}: ${what} is given more than once. Say which one holds.`)
    }
    given.add(what)
  }
  return { ...policy, name, directory: resolve(directory), readOnly, owner, atime, lockScope }
}

/** Parses several exports. @throws UserError as {@link parseExport}, and for a name that two of them have. */
export function parseExports(
  texts: readonly string[],
  policy: ExportPolicy,
): readonly (HostExport & { name: string })[] {
  const exports = texts.map((text) => parseExport(text, policy))
  const names = exports.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) < i)
  if (twice !== undefined)
    throw new UserError(
      `--export ${twice}=…: two exports have this name. Give one of them another.`,
    )
  return exports
}
