import { posix, resolve } from 'node:path'
import { cacheModes } from '../guest/mount.ts'
import type { DirectoryShare } from '../machine/plan.ts'
import { MSIZE_MIN } from '../9p/wire/limits.ts'
import { parseBytes, parseMebibytes } from '../util/size.ts'
import type { Ownership } from '../tree/host/owners.ts'
import { UserError } from './user-error.ts'
import { takeOwnership } from './owner.ts'

/** `512M`, `2G`, or a plain number of MiB, in MiB. */
export function parseMemory(text: string): number {
  const mebibytes = parseMebibytes(text)
  if (mebibytes === undefined || mebibytes < 64) {
    throw new UserError(
      `--memory ${text} is not an amount of memory: use 512M or 2G, at least 64M.`,
    )
  }
  return mebibytes
}

/** `64K`, `1M`, or a plain number of bytes, in bytes. */
export function parseMsize(text: string): number {
  const bytes = parseBytes(text)
  if (bytes === undefined || bytes < MSIZE_MIN) {
    throw new UserError(
      `--msize ${text} is not the size of a message: use 64K or a number of bytes, at least ${MSIZE_MIN}.`,
    )
  }
  return bytes
}

/** A whole number from `least` to `most`. */
export function parseCount(option: string, text: string, least: number, most: number): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < least || number > most) {
    throw new UserError(`--${option} ${text} is not a whole number from ${least} to ${most}.`)
  }
  return number
}

/** Splits at commas. Two commas in a row stand for a comma that is part of a word. */
export function splitAtCommas(text: string): string[] {
  // An argument cannot contain a NUL, so it can stand for a comma meanwhile.
  return text
    .replaceAll(',,', '\0')
    .split(',')
    .map((part) => part.replaceAll('\0', ','))
}

/** One of a list of words. @throws UserError that lists them. */
export function parseChoice<const C extends string>(
  option: string,
  text: string,
  choices: readonly C[],
): C {
  const choice = choices.find((each) => each === text)
  if (choice === undefined)
    throw new UserError(`--${option} ${text}: choose one of ${choices.join(', ')}.`)
  return choice
}

/** The form of a share. Help, messages and {@link parseShare} have it from here. */
export const SHARE_FORM =
  'SRC:DST[,ro|,rw][,owner=OWNER|,map=RANGE][,cache=MODE][,locks=guests|,locks=host][,acls]'

const SHARE_WORDS = 'ro, rw, owner=OWNER, map=RANGE, cache=MODE, locks=guests, locks=host, acls'

/** A word behind a share, other than those about owners: what it is about, and its value. */
const SHARE_WORD = /^(ro|rw|acls|cache=|locks=)((?<==).*|)$/s

const lockScopes = ['guests', 'host'] as const

/**
 * {@link SHARE_FORM}. The first option follows a colon or a comma, the others a comma, in any order. `map` may be given several
 * times, everything else once. A comma that is part of DST is written twice.
 *
 * @param owner the default, for a share that names none.
 * @throws UserError for everything else.
 */
export function parseShare(text: string, owner: Ownership): DirectoryShare {
  const match = /^(.+?):(\/(?:[^:,]|,,)*)(?:[:,](.*))?$/s.exec(text)
  const [, source, path, words] = match ?? []
  const target = posix.join('/', path?.replaceAll(',,', ',') ?? '').replace(/\/$/, '')
  if (source === undefined || target === '') {
    throw new UserError(
      `--share ${text}: use ${SHARE_FORM}, where DST is an absolute path in the guest other than /.`,
    )
  }
  const { owner: shownAs, rest } = takeOwnership(words?.split(',') ?? [], owner)
  const given = new Map<string, string>()
  for (const word of rest) {
    const [, name, value] = SHARE_WORD.exec(word) ?? []
    if (name === undefined || value === undefined) {
      throw new UserError(
        `--share ${text}: '${word}' is none of ${SHARE_WORDS}. Write a comma that is part of DST twice.`,
      )
    }
    const what = name === 'ro' || name === 'rw' ? 'access' : name
    if (given.has(what)) {
      const twice = what === 'access' ? 'ro and rw contradict each other, or are' : `${what} is`
      throw new UserError(`--share ${text}: ${twice} given more than once. Say which one holds.`)
    }
    given.set(what, what === 'access' ? name : value)
  }
  const [cache, locks] = [given.get('cache='), given.get('locks=')]
  return {
    source: resolve(source),
    target,
    readOnly: given.get('access') === 'ro',
    owner: shownAs,
    ...(cache !== undefined && { cache: parseChoice('share … cache', cache, cacheModes) }),
    ...(locks !== undefined && { locks: parseChoice('share … locks', locks, lockScopes) }),
    ...(given.has('acls') && { acls: true }),
  }
}

/** `NAME=VALUE`, or `NAME` for the value that it has in this process's environment. */
export function parseEnvironment(assignments: readonly string[]): Record<string, string> {
  const environment: Record<string, string> = {}
  for (const assignment of assignments) {
    const [, name, value] = /^([A-Za-z_]\w*)(?:=(.*))?$/s.exec(assignment) ?? []
    if (name === undefined)
      throw new UserError(
        `--env ${assignment}: use NAME=VALUE, or NAME for its value in this environment.`,
      )
    const given = value ?? process.env[name]
    if (given !== undefined) environment[name] = given
  }
  return environment
}
