import { readFileSync } from 'node:fs'
import { PatternError } from '../tree/view/pattern-error.ts'
import { Sight, type ViewPatterns } from '../tree/view/sight.ts'
import type { Option } from './command.ts'
import { UserError, explain } from './user-error.ts'

/** Options of all commands that show a directory, or a part of it. */
export const viewOptions = {
  only: {
    type: 'string',
    multiple: true,
    value: 'PATTERN',
    help: 'show nothing but what matches, all below it, and the directories that lead there',
  },
  'only-from': {
    type: 'string',
    multiple: true,
    value: 'FILE',
    help: 'the same with a pattern in each line of a file',
  },
  hide: {
    type: 'string',
    multiple: true,
    value: 'PATTERN',
    help: 'hide what matches and all below it, also from --only',
  },
} as const satisfies Record<string, Option>

export const viewNotes = `A PATTERN is a path relative to the directory, whether or not it begins with a slash. In a
component, * is any characters, ? is one, and [a-z] or [!a-z] is one that is or is not among
these; nothing quotes, so * itself is [*]. A component ** is any number of components, also none;
dir/** is what lies in dir. What is hidden cannot be created either (EPERM). A directory
that has hidden names in it cannot be removed, nor moved to where more or less of it would show.
On file systems that ignore case, --hide does not: say --only there.`

/** What the options say. An empty file is refused: it is rather a mistake than a wish to see nothing. */
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

/** Patterns are text: other bytes would quietly match nothing. */
function decoded(file: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw new UserError(`--only-from ${file} is not UTF-8 text.`, { cause: error })
  }
}
