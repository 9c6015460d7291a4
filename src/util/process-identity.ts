import { readFileSync, readlinkSync } from 'node:fs'
import { isSystemError } from './error.ts'

/**
 * Names one process for good: `<boot>.<pid namespace>.<pid>.<start time>`. A pid alone is used again, and processes of
 * another container, or of another machine that shares a folder, have pids of their own.
 */
const FORM = /^([0-9a-f]{8}\.\d+)\.(\d+)\.(\d+)$/

/** What is known about a process: `unknown` for one of another container or another boot, which cannot be looked up here. */
export type ProcessState = 'alive' | 'dead' | 'unknown'

/** The identity of a process; undefined where there is none with this pid. */
export function processIdentity(pid: number): string | undefined {
  const start = startTime(pid)
  return start === undefined ? undefined : `${context()}.${pid}.${start}`
}

/** The state of a process. Anything that is no identity is `unknown`. */
export function processState(identity: string): ProcessState {
  const [, where, pid] = FORM.exec(identity) ?? []
  if (where === undefined || where !== context()) return 'unknown'
  return processIdentity(Number(pid)) === identity ? 'alive' : 'dead'
}

/** The pid in an identity. Only {@link processState} says whether it is still that process. */
export function pidOf(identity: string): number {
  return Number(FORM.exec(identity)?.[2])
}

let known: string | undefined

/** Names the boot and the pid namespace in which pids of this process are valid. */
function context(): string {
  if (known === undefined) {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8)
    const namespace = /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0'
    known = `${boot}.${namespace}`
  }
  return known
}

/** When a process was started, in clock ticks since boot: field 22 of proc(5)'s stat. Undefined where there is none. */
function startTime(pid: number): string | undefined {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ESRCH')) return undefined
    throw error
  }
  // The second field is the program's name in parentheses, which may contain anything.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}
