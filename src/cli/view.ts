import { readFileSync } from 'node:fs'
import { PatternError } from '../tree/view/glob.ts'
import { Sight, type ViewPatterns } from '../tree/view/sight.ts'
import type { Option } from './command.ts'
import { UserError, explain } from './user-error.ts'

/** Options of all commands that serve a directory: which part of it the guest sees. */
export const viewOptions = {
  only: {
    type: 'string',
    multiple: true,
    value: 'PATTERN',
    help: 'show only what matches, everything below it, and the directories above it',
  },
  'only-from': {
    type: 'string',
    multiple: true,
    value: 'FILE',
    help: 'the same, with one pattern in each line of FILE',
  },
  hide: {
    type: 'string',
    multiple: true,
    value: 'PATTERN',
    help: 'hide what matches and everything below it, even if --only shows it',
  },
} as const satisfies Record<string, Option>

export const viewNotes = `A PATTERN is a path relative to the directory; a slash in front changes nothing. Within a component
* matches any characters, ? matches one, [a-z] one of these and [!a-z] one other than these. No character
quotes another: write [*] for * itself. A component ** matches any number of components, also none;
dir/** matches everything in dir. A hidden name cannot be created either (EPERM). A directory that contains
hidden names cannot be removed, nor moved to a place where more or less of it would be visible.
--hide distinguishes case even if the file system does not: use --only there.`

/** The patterns of these options. @throws UserError also for an empty file: it is a mistake rather than a wish to see nothing. */
export function parseView(values: {
  readonly only?: readonly string[]
  readonly 'only-from'?: readonly string[]
  readonly hide?: readonly string[]
}): ViewPatterns {
  const { only = [], 'only-from': files = [], hide = [] } = values
  check('--only', { only })
  check('--hide', { hide })
  const all = [...only]
  for (const file of files) {
    const lines = linesOf(file)
    check(`--only-from ${file}`, { only: lines })
    for (const line of lines) all.push(line)
  }
  return all.length === 0 ? { hide } : { only: all, hide }
}

function check(option: string, patterns: ViewPatterns): void {
  try {
    Sight.of(patterns)
  } catch (error) {
    if (!(error instanceof PatternError)) throw error
    throw new UserError(`${option}: ${error.message}.`, { cause: error })
  }
}

/** The lines of a file that are not empty. */
function linesOf(file: string): string[] {
  let bytes: Uint8Array
  try {
    bytes = readFileSync(file)
  } catch (error) {
    throw explain(`--only-from ${file} cannot be read`, error)
  }
  const lines = decoded(file, bytes)
    .split('\n')
    .filter((line) => line !== '')
  if (lines.length === 0) throw new UserError(`--only-from ${file} has no pattern in it.`)
  return lines
}

/** Decodes UTF-8. Patterns are text: bytes of another encoding would match nothing, without a word. */
function decoded(file: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    // The encoding standard has a TypeError for bytes that are no UTF-8.
    if (!(error instanceof TypeError)) throw error
    throw new UserError(
      `--only-from ${file} is not UTF-8 text. Convert it, for example with iconv.`,
      {
        cause: error,
      },
    )
  }
}
