import { lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ErrnoError } from '../../src/errno.ts'
import { defaultLimits } from '../../src/server/limits.ts'
import { HostTree } from '../../src/tree/host/tree.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { SessionProbe } from '../support/session-probe.ts'
import { memoryFolder } from '../support/temporary.ts'
import { type Fault, libc } from './faulty-libc.mjs'
import { answerTo, fillTree, type Request, scenario } from './scenario.ts'

/** What one request of a run was answered, and which calls of libc were made for it. */
export interface Answered {
  readonly request: Request
  readonly calls: readonly string[]
  readonly answer: string
  /** Which of the calls the fault was injected into, if any. */
  readonly failed: number | undefined
  /** What the tree looked like after the first answer; only where it may matter. */
  readonly state: string
  /** The answer when it was asked once more, because it was another than without the fault. */
  readonly again: string | undefined
}

export interface Run {
  /** `ok`, or the errno with which the tree could not be opened. */
  readonly opened: string
  readonly openingCalls: readonly string[]
  /** What the tree looked like at first. */
  readonly state: string
  readonly answers: readonly Answered[]
  readonly closingCalls: readonly string[]
  /** Descriptors that were left open. */
  readonly left: number
  /** Descriptors that were closed though they were not open. */
  readonly closedTwice: readonly number[]
  readonly log: readonly string[]
}

/** The answers of a run without a fault, once there was one. */
let usual: readonly Answered[] | undefined

/**
 * Runs the scenario on a new tree, where the call of libc with number `index` fails, as do those of
 * the same name that follow it at once, up to `times` of them. The first run must be one without.
 */
export function runScenario(index: number, fault: Fault, times = 1): Run {
  const directory = mkdtempSync(join(memoryFolder, 'lowerdir-faults-'))
  fillTree(directory)
  libc.calls.length = libc.closedTwice.length = 0
  const before = openDescriptors()
  const state = stateOf(directory)
  let happened = 0
  libc.inject = (name, call) => {
    if (call !== index + happened || happened === times || name !== libc.calls[index]) {
      return undefined
    }
    happened++
    return fault
  }
  const policy = { readOnly: false, owner: 'host', atime: 'preserve' } as const
  const answers: Answered[] = []
  let opened = 'ok'
  let opening = 0
  let closing = 0
  let log: readonly string[] = []
  try {
    const tree = new HostTree(directory, policy)
    opening = libc.calls.length
    const probe = new SessionProbe(tree, 0, defaultLimits)
    log = probe.log
    for (const request of scenario) {
      const start = libc.calls.length
      const earlier = happened
      const answer = answerTo(probe, request)
      const calls = libc.calls.slice(start)
      const failed = happened > earlier ? index - start : undefined
      const looked = failed !== undefined || usual === undefined ? stateOf(directory) : ''
      const odd = failed !== undefined && answer !== usual?.[answers.length]?.answer
      const again = odd ? answerTo(probe, request) : undefined
      answers.push({ request, calls, answer, failed, state: looked, again })
    }
    closing = libc.calls.length
    probe.session.close()
    tree.close()
  } catch (error) {
    if (!(error instanceof ErrnoError)) throw error
    opened = error.code
    opening = closing = libc.calls.length
  } finally {
    libc.inject = undefined
    rmSync(directory, { recursive: true })
  }
  usual ??= answers
  return {
    opened,
    state,
    openingCalls: libc.calls.slice(0, opening),
    answers,
    closingCalls: libc.calls.slice(closing),
    left: openDescriptors() - before,
    closedTwice: [...libc.closedTwice],
    log,
  }
}

/** Names, modes, owners and sizes of all that is there. */
function stateOf(directory: string): string {
  const lines = readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((path) => {
    const { mode, uid, gid, size } = lstatSync(join(directory, path))
    return [path, mode.toString(8), uid, gid, (mode & 0o40000) === 0 ? size : ''].join(' ')
  })
  return lines.toSorted().join('\n')
}
