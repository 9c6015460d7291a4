import type { Machine } from '../machine.ts'
import { type UserOption, managerOptions, systemctl, unitStatus } from './systemctl.ts'
import { parseProperties } from './unit-properties.ts'
import { failure } from '../waits/wait.ts'

/** What a unit's journal is asked for. */
export interface JournalOptions extends UserOption {
  /** Only of this unit. Default: of everybody. */
  readonly unit?: string | undefined
  /** Only so many lines, the last ones. Default: all of this boot. */
  readonly lines?: number | undefined
}

/** All properties of a unit, by their names. One that is not there has some as well: its LoadState is `not-found`. */
export async function getUnitInfo(
  machine: Machine,
  unit: string,
  options: UserOption,
): Promise<Record<string, string>> {
  return show(machine, unit, [], options)
}

/** One property of a unit. @throws Error when units have no such property. */
export async function getUnitProperty(
  machine: Machine,
  unit: string,
  property: string,
  options: UserOption,
): Promise<string> {
  const value = (await show(machine, unit, [`--property=${property}`], options))[property]
  if (value !== undefined) return value
  throw new Error(`${machine.name}: the unit ${unit} has no property ${property}.`)
}

/** @throws Error with the unit's status when its ActiveState is another one. */
export async function requireUnitState(
  machine: Machine,
  unit: string,
  state: string,
  options: UserOption,
): Promise<void> {
  const active = await getUnitProperty(machine, unit, 'ActiveState', options)
  if (active === state) return
  const details = await unitStatus(machine, unit, options)
  const why = `it is ${active}, and was to be ${state}`
  throw failure(machine.waiter, `the unit ${unit}`, why, { details })
}

/** Starts or stops a unit, and resolves when that is done. @throws Error with its status when it cannot be done. */
export async function changeUnit(
  machine: Machine,
  action: 'start' | 'stop',
  unit: string,
  options: UserOption,
): Promise<void> {
  const { exitCode, stderr } = await systemctl(machine, [action, '--', unit], options)
  if (exitCode === 0) return
  const details = await unitStatus(machine, unit, options)
  const why = `systemctl ${action} exited with ${exitCode}: ${stderr.trim().split('\n')[0] ?? ''}`
  throw failure(machine.waiter, `the unit ${unit}`, why.replace(/[.:\s]+$/, ''), { details })
}

/** What is in the journal of this boot. */
export async function journal(
  machine: Machine,
  { user, unit, lines }: JournalOptions,
): Promise<string> {
  const own = user === undefined ? '--unit' : '--user-unit'
  const query = [
    '--boot',
    '--no-pager',
    '--output=short-precise',
    ...(unit === undefined ? [] : [`${own}=${unit}`]),
    ...(lines === undefined ? [] : [`--lines=${lines}`]),
  ]
  return machine.succeed(['journalctl', ...query], { ...managerOptions(user), quiet: true })
}

async function show(
  machine: Machine,
  unit: string,
  flags: readonly string[],
  options: UserOption,
): Promise<Record<string, string>> {
  const query = ['show', ...flags, '--', unit]
  const { exitCode, stdout, stderr } = await systemctl(machine, query, options)
  if (exitCode === 0) return parseProperties(stdout)
  const said = (stderr || stdout).trim()
  throw new Error(`${machine.name}: systemctl cannot say anything about ${unit}: ${said}`)
}
