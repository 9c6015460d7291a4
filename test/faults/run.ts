import { lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { vi } from 'vitest'
import { ErrnoError } from '../../src/sys/errno.ts'
import { defaultLimits } from '../../src/session/session-limits.ts'
import { Descriptors } from '../../src/tree/host/descriptors.ts'
import type { HostPolicy } from '../../src/tree/host/policy.ts'
import { HostTree } from '../../src/tree/host/host-tree.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { ManualTimers } from '../support/manual-timers.ts'
import { SessionProbe } from '../support/session-probe.ts'
import { memoryFolder } from '../support/memory-folder.ts'
import { type Fault, libc } from './faulty-libc.mjs'
import { answerTo, crowded, fillTree, type Request, scenario } from './scenario.ts'

/** The answer to one request of a run, and the calls of libc that were made for it. */
export interface Answered {
  readonly request: Request
  readonly calls: readonly string[]
  readonly answer: string
  /** The call that failed, if any, as an index. */
  readonly failed: number | undefined
  /** Whether that call came after the answer, when nodes got their descriptors. */
  readonly settling: boolean
  /** The state of the tree after the first answer. Only read if it may matter. */
  readonly state: string
  /** The answer to the same request when it was sent again, because the first answer was not the usual one. */
  readonly again: string | undefined
  /** By how many descriptors the tree's count was wrong by then. */
  readonly miscounted: number
}

export interface Run {
  /** `ok`, or the errno of opening the tree. */
  readonly opened: string
  readonly openingCalls: readonly string[]
  /** The state of the tree at the beginning. */
  readonly state: string
  readonly answers: readonly Answered[]
  readonly closingCalls: readonly string[]
  /** Descriptors that were left open. */
  readonly left: number
  /** Descriptors that were closed though they were not open. */
  readonly closedTwice: readonly number[]
  readonly log: readonly string[]
}

/** The time after which newcomers get their descriptors (Descriptors in descriptors.ts), in milliseconds. */
const SETTLE_AFTER = 10

/** Gives access to the descriptors of the tree under test, which are private. */
const opening = vi.spyOn(Descriptors.prototype, 'open')

/** The scenario on one kind of tree. */
export class Scene {
  readonly #policy: HostPolicy
  readonly #requests: readonly Request[]
  /** The answers of a run without a fault, once there was one. */
  #usual: readonly Answered[] | undefined

  constructor(changes: Partial<HostPolicy>, requests: readonly Request[] = scenario) {
    this.#policy = { readOnly: false, owner: 'host', atime: 'preserve', ...changes }
    this.#requests = requests
  }

  /**
   * Runs the scenario on a new tree. The call of libc with number `index` fails, and so do those of the same
   * name that follow it at once, up to `times` of them. The first run must have no fault.
   */
  run(index: number, fault: Fault, times = 1): Run {
    const directory = mkdtempSync(join(memoryFolder, 'lowerdir-faults-'))
    fillTree(directory)
    libc.calls.length = libc.closedTwice.length = 0
    opening.mockClear()
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
    const timers = new ManualTimers()
    const answers: Answered[] = []
    let opened = 'ok'
    let openingCalls = 0
    let closing = 0
    let log: readonly string[] = []
    try {
      const tree = new HostTree(directory, this.#policy, timers.later)
      openingCalls = libc.calls.length
      const [descriptors] = opening.mock.contexts as Descriptors[]
      const probe = new SessionProbe(tree, 0, defaultLimits)
      log = probe.log
      for (const request of this.#requests) {
        const start = libc.calls.length
        const earlier = happened
        const usual = this.#usual?.[answers.length]
        const answer = answerTo(probe, request)
        const answered = happened
        timers.fire(SETTLE_AFTER)
        const calls = libc.calls.slice(start)
        const failed = happened > earlier ? index - start : undefined
        const looked = failed !== undefined || usual === undefined ? stateOf(directory) : ''
        const miscounted = (descriptors?.count ?? 0) - (openDescriptors() - before)
        const odd = failed !== undefined && answer !== usual?.answer
        const again = odd ? answerTo(probe, request) : undefined
        const settling = failed !== undefined && answered === earlier
        answers.push({ request, calls, answer, failed, settling, state: looked, again, miscounted })
      }
      closing = libc.calls.length
      probe.session.close()
      tree.close()
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error
      opened = error.code
      openingCalls = closing = libc.calls.length
    } finally {
      libc.inject = undefined
      rmSync(directory, { recursive: true })
    }
    this.#usual ??= answers
    return {
      opened,
      state,
      openingCalls: libc.calls.slice(0, openingCalls),
      answers,
      closingCalls: libc.calls.slice(closing),
      left: openDescriptors() - before,
      closedTwice: [...libc.closedTwice],
      log,
    }
  }
}

/** On the host's own files, on files with stored attributes, and with hardly any descriptors. */
export const scenes = {
  host: new Scene({}),
  'mapped-xattr': new Scene({ owner: 'mapped-xattr' }),
  crowded: new Scene({ descriptors: 16 }, crowded),
  'crowded mapped-xattr': new Scene({ descriptors: 16, owner: 'mapped-xattr' }, crowded),
} as const

/** Names, modes, owners and sizes of all files. */
function stateOf(directory: string): string {
  const lines = readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((path) => {
    const { mode, uid, gid, size } = lstatSync(join(directory, path))
    return [path, mode.toString(8), uid, gid, (mode & 0o40000) === 0 ? size : ''].join(' ')
  })
  return lines.toSorted().join('\n')
}
