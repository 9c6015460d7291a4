import type { Guest } from '../guest.ts'
import { type UnitOptions, managerOptions, systemctl, unitStatus } from './systemctl.ts'
import { parseProperties } from './unit-properties.ts'
import { failure } from '../waits/wait.ts'
import { printable } from '../../util/printable.ts'

/** Which part of the journal is read. */
export interface JournalOptions extends UnitOptions {
  /** Only lines of this unit. Default: all lines. */
  readonly unit?: string | undefined
  /** Only the last lines, at most this number. Default: all lines of this boot. */
  readonly lines?: number | undefined
}

/** All properties of a unit, by their names. A unit that does not exist has the LoadState `not-found`. */
export async function getUnitInfo(
  guest: Guest,
  unit: string,
  options: UnitOptions,
): Promise<Record<string, string>> {
  return show(guest, unit, [], options)
}

/** One property of a unit. @throws Error when units have no such property. */
export async function getUnitProperty(
  guest: Guest,
  unit: string,
  property: string,
  options: UnitOptions,
): Promise<string> {
  const value = (await show(guest, unit, [`--property=${property}`], options))[property]
  if (value !== undefined) return value
  throw new Error(`${guest.name}: the unit ${unit} has no property ${property}.`)
}

/** Checks a unit's ActiveState. @throws WaitError with the unit's status when it is another one. */
export async function requireUnitState(
  guest: Guest,
  unit: string,
  state: string,
  options: UnitOptions,
): Promise<void> {
  const active = await getUnitProperty(guest, unit, 'ActiveState', options)
  if (active === state) return
  const details = await unitStatus(guest, unit, options)
  const why = `it is ${active}, and was to be ${state}`
  throw failure(guest, `the unit ${unit}`, why, { details })
}

/** Starts or stops a unit, and resolves when systemd has done it. @throws WaitError with the unit's status otherwise. */
export async function changeUnit(
  guest: Guest,
  action: 'start' | 'stop',
  unit: string,
  options: UnitOptions,
): Promise<void> {
  const { exitCode, stderr } = await systemctl(guest, [action, '--', unit], options)
  if (exitCode === 0) return
  const details = await unitStatus(guest, unit, options)
  const why = `systemctl ${action} exited with ${exitCode}: ${stderr.trim().split('\n')[0] ?? ''}`
  throw failure(guest, `the unit ${unit}`, why.replace(/[.:\s]+$/, ''), { details })
}

/** Reads the journal of this boot. */
export async function journal(
  guest: Guest,
  { user, unit, lines, ...options }: JournalOptions,
): Promise<string> {
  const own = user === undefined ? '--unit' : '--user-unit'
  const query = [
    '--boot',
    '--no-pager',
    '--output=short-precise',
    ...(unit === undefined ? [] : [`${own}=${unit}`]),
    ...(lines === undefined ? [] : [`--lines=${lines}`]),
  ]
  return guest.succeed(['journalctl', ...query], {
    ...options,
    ...managerOptions(user),
    quiet: true,
  })
}

async function show(
  guest: Guest,
  unit: string,
  flags: readonly string[],
  options: UnitOptions,
): Promise<Record<string, string>> {
  const query = ['show', ...flags, '--', unit]
  const { exitCode, stdout, stderr } = await systemctl(guest, query, options)
  if (exitCode === 0) return parseProperties(stdout)
  const said = (stderr || stdout).trim()
  throw new Error(printable(`${guest.name}: systemctl cannot say anything about ${unit}: ${said}`))
}
