import { type ParseArgsConfig, parseArgs } from 'node:util'
import { didYouMean } from '../util/nearest.ts'
import { UserError } from './user-error.ts'
import { print } from './print.ts'

/** One option of a command, as it is parsed and as `--help` shows it. */
export interface Option {
  readonly type: 'string' | 'boolean'
  /** May be given more than once. */
  readonly multiple?: true
  /** The placeholder for the value in the help. */
  readonly value?: string
  readonly help: string
}

/** One command of the command line. */
export interface Command<O extends Record<string, Option> = Record<string, Option>> {
  readonly summary: string
  readonly usage: string
  /** What the help says below the options. */
  readonly notes?: string
  readonly options: O
  /** It takes options alone. */
  readonly takesNoArguments?: true
  /** Runs the command; resolves with the process's exit status. */
  run(values: Values<O>, positionals: readonly string[]): Promise<number>
}

/** A command with another program's command line, which it understands itself. */
export interface Program {
  readonly summary: string
  /** Runs it; resolves with the process's exit status. */
  main(args: readonly string[]): Promise<number>
}

export type Values<O extends Record<string, Option>> = {
  readonly [Name in keyof O]?: O[Name] extends { readonly type: 'boolean' }
    ? boolean
    : O[Name] extends { readonly multiple: true }
      ? readonly string[]
      : string
}

/** Infers the types of a command's values from its options. */
export function command<const O extends Record<string, Option>>(
  definition: Command<O>,
): Command<O> {
  return definition
}

/**
 * Parses `args` for `command` and runs it.
 *
 * @throws UserError for an option that does not exist or lacks its value, and for an argument that is one too many.
 */
export async function runCommand(
  name: string,
  definition: Command,
  args: readonly string[],
): Promise<number> {
  const { values, positionals, wantsHelp } = parse(name, definition, args)
  if (wantsHelp) {
    print(help(definition))
    return 0
  }
  if (definition.takesNoArguments === true) checkNoArguments(name, positionals)
  return definition.run(values, positionals)
}

/** @param what takes no arguments: the command, or one of its actions. @throws UserError for any argument. */
export function checkNoArguments(
  name: string,
  [argument]: readonly string[],
  what: string = name,
): void {
  if (argument === undefined) return
  throw new UserError(
    `Unexpected argument '${argument}': ${what} takes none. \`lowerdir ${name} --help\` shows its usage.`,
  )
}

function parse(
  name: string,
  { options }: Command,
  args: readonly string[],
): { values: Values<Record<string, Option>>; positionals: string[]; wantsHelp: boolean } {
  const known: NonNullable<ParseArgsConfig['options']> = { help: { type: 'boolean' } }
  for (const [key, { type, multiple }] of Object.entries(options)) {
    known[key] = { type, multiple: multiple ?? false }
  }
  try {
    const parsed = parseArgs({ args: [...args], options: known, allowPositionals: true })
    const { help: wantsHelp, ...values } = parsed.values
    return {
      values: values as Values<Record<string, Option>>,
      positionals: parsed.positionals,
      wantsHelp: wantsHelp === true,
    }
  } catch (error) {
    if (!isParseError(error)) throw error
    const reason = error.message.split('. ')[0] ?? ''
    const guess = didYouMean(
      /^Unknown option '(--.+)'$/.exec(reason)?.[1] ?? '',
      Object.keys(known).map((option) => `--${option}`),
    )
    throw new UserError(`${reason}.${guess} \`lowerdir ${name} --help\` lists the options.`, {
      cause: error,
    })
  }
}

/** Whether `parseArgs` refused the arguments: ERR_PARSE_ARGS_UNKNOWN_OPTION, … */
function isParseError(error: unknown): error is Error {
  if (!(error instanceof TypeError) || !('code' in error)) return false
  return String(error.code).startsWith('ERR_PARSE_ARGS_')
}

function help({ summary, usage, options, notes }: Command): string {
  const rows = Object.entries(options).map(([name, { value, help: text }]) => [
    `  --${name}${value === undefined ? '' : ` ${value}`}`,
    text,
  ])
  const width = Math.max(...rows.map(([left = '']) => left.length)) + 2
  const lines = rows.map(([left = '', right = '']) => left.padEnd(width) + right)
  return [
    summary,
    '',
    `usage: lowerdir ${usage}`,
    '',
    ...lines,
    ...(notes === undefined ? [] : ['', notes]),
  ].join('\n')
}
