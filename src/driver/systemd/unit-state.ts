import type { Machine } from '../machine.ts'
import { systemctl } from './systemctl.ts'
import { parseProperties, unitPath } from './unit-properties.ts'

/** How a unit is. */
export interface UnitState {
  /** Its name in full; `nginx` is an alias of `nginx.service`. */
  readonly id: string
  /** Its D-Bus object. */
  readonly path: string
  /** Its ActiveState: `active`, `inactive`, `failed`, `activating`, …; `unknown` where systemd cannot be asked (yet). */
  readonly active: string
  /** How it ended the last time: `success`, `exit-code`, … */
  readonly result: string
  /** Whether systemd is about to start or stop it. */
  readonly hasJob: boolean
  /** Whether it is about to start or stop anything. Only asked for where it matters. */
  readonly othersHaveJobs: boolean
  /** The state in words, for a message. */
  readonly described: string
}

const PROPERTIES = ['Id', 'LoadState', 'ActiveState', 'SubState', 'Result', 'Job']

/**
 * Asks systemd about a unit.
 *
 * @throws Error where there is no such user, or no systemd.
 */
export async function lookAt(
  machine: Machine,
  unit: string,
  user: string | undefined,
  signal: AbortSignal,
): Promise<UnitState> {
  const options = { user, signal, quiet: true }
  const query = ['show', `--property=${PROPERTIES.join(',')}`, '--', unit]
  const { exitCode, stdout, stderr } = await systemctl(machine, query, options)
  if (exitCode !== 0) return unknown(machine, unit, stderr.trim())

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
    othersHaveJobs: active === 'inactive' && !hasJob && (await hasJobs(machine, options)),
    described: describe(properties['LoadState'], active, sub, result),
  }
}

type Asking = Parameters<typeof systemctl>[2]

async function hasJobs(machine: Machine, options: Asking): Promise<boolean> {
  const { exitCode, stdout } = await systemctl(machine, ['show', '--property=NJobs'], options)
  return exitCode !== 0 || stdout.trim() !== 'NJobs=0'
}

/** systemd is not to be asked: it will be later on, or never. */
function unknown(machine: Machine, unit: string, complaint: string): UnitState {
  if (/unknown user|not found|not been booted with systemd/.test(complaint)) {
    throw new Error(`${machine.name}: systemd cannot be asked about ${unit}: ${complaint}`)
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
