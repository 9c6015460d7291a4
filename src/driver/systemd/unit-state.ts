import type { Guest } from '../guest.ts'
import { systemctl } from './systemctl.ts'
import { parseProperties, unitPath } from './unit-properties.ts'
import { printable } from '../../util/printable.ts'

/** A unit's state. */
export interface UnitState {
  /** The full name: `nginx.service` for `nginx`. */
  readonly id: string
  /** The path of its D-Bus object. */
  readonly path: string
  /** Its ActiveState: `active`, `inactive`, `failed`, `activating`, …; `unknown` while systemd does not answer. */
  readonly active: string
  /** Its Result, of the last run: `success`, `exit-code`, … */
  readonly result: string
  /** Whether systemd has a job for it: to start or to stop it. */
  readonly hasJob: boolean
  /** Whether systemd has a job for any other unit. Only looked up for an inactive unit without a job. */
  readonly othersHaveJobs: boolean
  /** The state in words, for a message. */
  readonly described: string
}

const PROPERTIES = ['Id', 'LoadState', 'ActiveState', 'SubState', 'Result', 'Job']

/**
 * Asks systemd for a unit's state.
 *
 * @throws Error when the user or systemd does not exist in the guest.
 */
export async function lookAt(
  guest: Guest,
  unit: string,
  user: string | undefined,
  signal: AbortSignal,
): Promise<UnitState> {
  const options = { user, signal, quiet: true }
  const query = ['show', `--property=${PROPERTIES.join(',')}`, '--', unit]
  const { exitCode, stdout, stderr } = await systemctl(guest, query, options)
  if (exitCode !== 0) return unknown(guest, unit, stderr.trim())

  const properties = parseProperties(stdout)
  const { Id: id = unit, ActiveState: active = 'unknown', SubState: sub = '' } = properties
  const { Result: result = '', Job: job = '' } = properties
  const hasJob = job !== ''
  return {
    id,
    path: unitPath(id),
    active,
    result,
    hasJob,
    othersHaveJobs: active === 'inactive' && !hasJob && (await hasJobs(guest, options)),
    described: describe(properties['LoadState'], active, sub, result),
  }
}

type Asking = Parameters<typeof systemctl>[2]

async function hasJobs(guest: Guest, options: Asking): Promise<boolean> {
  const { exitCode, stdout } = await systemctl(guest, ['show', '--property=NJobs'], options)
  return exitCode !== 0 || stdout.trim() !== 'NJobs=0'
}

/** The state while systemd does not answer. @throws Error where it never will. */
function unknown(guest: Guest, unit: string, complaint: string): UnitState {
  if (/unknown user|not found|not been booted with systemd/.test(complaint)) {
    throw new Error(printable(`${guest.name}: systemd cannot be asked about ${unit}: ${complaint}`))
  }
  const described = `unknown: ${complaint}`
  const state = { active: 'unknown', result: '', hasJob: false, othersHaveJobs: false, described }
  return { id: unit, path: unitPath(unit), ...state }
}

function describe(load: string | undefined, active: string, sub: string, result: string): string {
  const state = sub === '' || sub === active ? active : `${active} (${sub})`
  if (load === 'not-found') return `${state}: there is no such unit`
  if (load === 'masked') return `${state}: it is masked`
  if (active === 'failed' && result !== '') return `${state}: ${result}`
  return state
}
