import { ErrnoError } from '../sys/errno.ts'
import { access, landlockAbi, restrictThread } from '../sys/landlock.ts'
import { setNoNewPrivileges } from '../sys/process.ts'
import { denyCalls, hasSeccomp } from '../sys/seccomp.ts'
import { deniedCalls } from './denied-calls.ts'

/**
 * How an engine restricts itself: `auto` as far as this kernel can, `require` completely or it does not
 * start.
 */
export type SandboxMode = 'off' | 'auto' | 'require'

export const sandboxModes = ['off', 'auto', 'require'] as const satisfies readonly SandboxMode[]

/** A sandbox was required, and this kernel lacks a part of it. */
export class SandboxError extends Error {
  override readonly name = 'SandboxError'
}

/** A directory that the process can still reach. */
export interface SandboxedDirectory {
  /** Its descriptor. O_PATH is enough. */
  readonly descriptor: number
  readonly readOnly: boolean
}

const reading = access.READ_FILE | access.READ_DIR

/**
 * The rights for a writable directory. The server makes no sockets or FIFOs, but renaming one takes the same
 * right.
 */
const writing =
  reading |
  access.WRITE_FILE |
  access.TRUNCATE |
  access.REFER |
  access.REMOVE_DIR |
  access.REMOVE_FILE |
  access.MAKE_DIR |
  access.MAKE_REG |
  access.MAKE_SYM |
  access.MAKE_SOCK |
  access.MAKE_FIFO |
  access.MAKE_CHAR |
  access.MAKE_BLOCK

/** The first version of Landlock that can allow renames between directories (Linux 5.19). */
const REFER_ABI = 2

/**
 * Restricts the process for ever: by Landlock, so that it can open and change only files of `directories`, and change
 * nothing in those that are read-only; by no_new_privs; and by a filter of system calls (denied-calls.ts). If one directory
 * lies in another, what is allowed in the outer one is allowed in both.
 *
 * Before Linux 7.0, Landlock only restricts the calling thread and threads that it starts later. So this must come before
 * libuv's thread pool, which does what Node's asynchronous functions ask for. Threads that V8 and Node always start (for
 * garbage, timers of V8 and the signal for the inspector) open no files.
 *
 * This comes in addition to the server's own checks. Landlock does not restrict reading the attributes of
 * files.
 *
 * @returns a line for the log: what is active, and what is not and why.
 * @throws SandboxError in the mode `require`, if this kernel lacks a part of it.
 */
export function enterSandbox(
  mode: SandboxMode,
  directories: readonly SandboxedDirectory[],
): string {
  if (mode === 'off') return 'sandbox: off'
  const active: string[] = []
  const missing: string[] = []
  const attempt = (name: string, act: () => void): void => {
    try {
      act()
      active.push(name)
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error
      missing.push(`${name} (${error.message})`)
    }
  }

  const readOnly = directories.every((directory) => directory.readOnly)
  attempt('no_new_privs', setNoNewPrivileges)
  const abi = landlockAbi()
  if (abi === 0) missing.push('Landlock (this kernel has none, or it is switched off)')
  else if (abi < REFER_ABI && !readOnly)
    missing.push('Landlock (Linux before 5.19 has too little of it)')
  else {
    const rules = directories.map((directory) => ({
      directory: directory.descriptor,
      rights: directory.readOnly ? reading : writing,
    }))
    attempt(`Landlock ABI ${abi}`, () => restrictThread(rules))
  }
  if (!hasSeccomp()) missing.push('seccomp (not for this kernel or CPU)')
  else attempt('seccomp', () => denyCalls(deniedCalls(readOnly)))

  if (mode === 'require' && missing.length > 0) {
    throw new SandboxError(`The sandbox is not complete: there is no ${missing.join(' and no ')}.`)
  }
  const without = missing.length === 0 ? '' : `; without ${missing.join(', ')}`
  return `sandbox: ${active.join(', ') || 'nothing'}${without}`
}

/** The parts of a sandbox that this kernel has, in words. */
export function describeSandbox(): string {
  const abi = landlockAbi()
  return [
    abi > 0 ? `Landlock ABI ${abi}` : 'no Landlock: it is not in this kernel, or switched off',
    'no_new_privs',
    hasSeccomp() ? 'seccomp' : 'no seccomp',
  ].join(', ')
}
