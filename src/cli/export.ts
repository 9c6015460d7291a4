import { resolve } from 'node:path'
import type { HostExport } from '../tree/host/host-exports.ts'
import { UserError } from './user-error.ts'
import { takeOwnership } from './owner.ts'
import { splitAtCommas } from './values.ts'

/** What an export is but for its name and its place. */
export type ExportPolicy = Omit<HostExport, 'name' | 'directory'>

/** A name that needs no quoting, neither for a shell nor among the options of a mount. */
const NAME = /^[\w.-]{1,64}$/

const WORDS = 'ro, rw, owner=OWNER, map=RANGE, atime=preserve, atime=guest'

/**
 * `NAME=DIR[,ro][,rw][,owner=OWNER][,map=RANGE][,atime=preserve|guest]`. A comma of DIR itself is written twice.
 *
 * @param policy of what the text does not say.
 */
function parseExport(text: string, policy: ExportPolicy): HostExport & { name: string } {
  const equals = text.indexOf('=')
  const name = text.slice(0, Math.max(0, equals))
  const [directory = '', ...words] = splitAtCommas(text.slice(equals + 1))
  if (!NAME.test(name) || directory === '') {
    throw new UserError(
      `--export ${text}: say NAME=DIR, NAME being letters, digits, and any of . _ - (64 at most).`,
    )
  }
  let { readOnly, atime } = policy
  const { owner, rest } = takeOwnership(words, policy.owner)
  for (const word of rest) {
    if (word === 'ro' || word === 'rw') readOnly = word === 'ro'
    else if (word === 'atime=preserve') atime = 'preserve'
    else if (word === 'atime=guest') atime = 'guest'
    else {
      throw new UserError(
        `--export ${text}: ${word || 'nothing'} is none of ${WORDS}. A comma of DIR's own is written twice.`,
      )
    }
  }
  return { ...policy, name, directory: resolve(directory), readOnly, owner, atime }
}

/** Several of them. @throws UserError as {@link parseExport}, and for a name that is there twice. */
export function parseExports(
  texts: readonly string[],
  policy: ExportPolicy,
): readonly (HostExport & { name: string })[] {
  const exports = texts.map((text) => parseExport(text, policy))
  const names = exports.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) < i)
  if (twice !== undefined) throw new UserError(`--export ${twice}=…: the name is there twice.`)
  return exports
}
