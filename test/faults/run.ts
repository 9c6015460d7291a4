import { lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { vi } from 'vitest'
import { ErrnoError } from '../../src/sys/errno.ts'
import { Descriptors } from '../../src/tree/host/descriptors.ts'
import type { HostPolicy } from '../../src/tree/host/policy.ts'
import { HostTree } from '../../src/tree/host/host-tree.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { ManualTimers } from '../support/manual-timers.ts'
import { memoryFolder } from '../support/memory-folder.ts'
import { type Fault, libc } from './faulty-libc.mjs'

/** One request of a scenario, in any protocol. */
export interface Named {
  readonly name: string
}

/** The requests of a scenario, and a session that answers them. */
export interface Scenario<Request extends Named> {
  readonly requests: readonly Request[]
  /** What the directory has in the beginning. */
  fill(directory: string): void
  begin(tree: HostTree): Player<Request>
}

/** One session. */
export interface Player<Request> {
  readonly log: readonly string[]
  /** The answer, without values that differ each time. */
  answerTo(request: Request): string
  close(): void
}

/** The answer to one request of a run, and the calls of libc that were made for it. */
export interface Answered<Request extends Named = Named> {
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

export interface Run<Request extends Named = Named> {
  /** `ok`, or the errno of opening the tree. */
  readonly opened: string
  readonly openingCalls: readonly string[]
  /** The state of the tree at the beginning. */
  readonly state: string
  readonly answers: readonly Answered<Request>[]
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

/** A scenario on one kind of tree. */
export class Scene<Request extends Named> {
  readonly #policy: HostPolicy
  readonly #scenario: Scenario<Request>
  /** The answers of a run without a fault, once there was one. */
  #usual: readonly Answered<Request>[] | undefined

  constructor(changes: Partial<HostPolicy>, scenario: Scenario<Request>) {
    this.#policy = { readOnly: false, owner: 'host', atime: 'preserve', ...changes }
    this.#scenario = scenario
  }

  /**
   * Runs the scenario on a new tree. The call of libc with number `index` fails, and so do those of the same
   * name that follow it at once, up to `times` of them. The first run must have no fault.
   */
  run(index: number, fault: Fault, times = 1): Run<Request> {
    const directory = mkdtempSync(join(memoryFolder, 'lowerdir-faults-'))
    this.#scenario.fill(directory)
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
    const answers: Answered<Request>[] = []
    let opened = 'ok'
    let openingCalls = 0
    let closing = 0
    let log: readonly string[] = []
    try {
      const tree = new HostTree(directory, this.#policy, timers.later)
      openingCalls = libc.calls.length
      const [descriptors] = opening.mock.contexts as Descriptors[]
      const player = this.#scenario.begin(tree)
      log = player.log
      for (const request of this.#scenario.requests) {
        const start = libc.calls.length
        const earlier = happened
        const usual = this.#usual?.[answers.length]
        const answer = player.answerTo(request)
        const answered = happened
        timers.fire(SETTLE_AFTER)
        const calls = libc.calls.slice(start)
        const failed = happened > earlier ? index - start : undefined
        const looked = failed !== undefined || usual === undefined ? stateOf(directory) : ''
        const miscounted = (descriptors?.count ?? 0) - (openDescriptors() - before)
        const odd = failed !== undefined && answer !== usual?.answer
        const again = odd ? player.answerTo(request) : undefined
        const settling = failed !== undefined && answered === earlier
        answers.push({ request, calls, answer, failed, settling, state: looked, again, miscounted })
      }
      closing = libc.calls.length
      player.close()
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

/** Names, modes, owners and sizes of all files. */
function stateOf(directory: string): string {
  const lines = readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((path) => {
    const { mode, uid, gid, size } = lstatSync(join(directory, path))
    return [path, mode.toString(8), uid, gid, (mode & 0o40000) === 0 ? size : ''].join(' ')
  })
  return lines.toSorted().join('\n')
}
