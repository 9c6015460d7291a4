import { type Limits, defaultLimits, limitTable } from '../session/session-limits.ts'
import { UserError } from './user-error.ts'
import { parseCount } from './values.ts'

const names = Object.keys(limitTable) as (keyof Limits)[]

/** The limits of the `--limit NAME=NUMBER` options; of several for one name the last counts. */
export function parseLimits(texts: readonly string[]): Limits {
  const limits: { -readonly [Name in keyof Limits]: number } = { ...defaultLimits }
  for (const text of texts) {
    const [given, number] = text.split('=', 2)
    const name = names.find((each) => each === given)
    if (name === undefined || number === undefined) {
      throw new UserError(
        `--limit ${text}: use NAME=NUMBER, where NAME is one of ${names.join(', ')}.`,
      )
    }
    const { least, most } = limitTable[name]
    limits[name] = parseCount(`limit ${name}`, number, least, most)
  }
  return limits
}

/** A line of help for each limit. */
export function limitHelp(): string {
  const rows = names.map((name) => {
    const { help, least, most, default: usual } = limitTable[name]
    return `  ${name.padEnd(13)}${help} (default ${usual}, ${least} to ${most})`
  })
  return ['The names for --limit:', ...rows].join('\n')
}
