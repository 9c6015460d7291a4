import type { TestEvent } from 'node:test/reporters'
import type { TestResult } from '../report/results.ts'
import { describeError } from './describe-error.ts'
import type { Line } from './line.ts'
import { withoutMiddle } from '../util/without-middle.ts'

/** The reason that Node gives for skipping a test that `--test-name-pattern` does not match. */
const NOT_WANTED = 'test name does not match pattern'

/** Node's totals at the end, which the runner counts itself. */
const COUNT = /^(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/

/** The longest diagnostic message, in characters. */
const NOTE = 64 * 1024

/** What an event says about its test. */
interface TestData {
  readonly name: string
  readonly nesting: number
  readonly file?: string | undefined
  readonly line?: number | undefined
  readonly column?: number | undefined
}

interface EndData extends TestData {
  readonly details: {
    readonly duration_ms: number
    readonly type?: string | undefined
    readonly error?: (Error & { readonly failureType?: string }) | undefined
  }
  readonly skip?: string | boolean | undefined
  readonly todo?: string | boolean | undefined
}

/**
 * Translates the events of node:test into lines for the runner, in the process that runs the tests. The events come in
 * two orders: some when something happens (`test:dequeue`, `test:complete`), others in the order of the file
 * (`test:start`, `test:pass`, `test:fail`), which nest like brackets.
 */
export class TestEvents {
  readonly #now: () => number
  /** The names of the tests that run, by nesting depth; only approximate where tests run at the same time. */
  readonly #running: string[] = []
  /** The names of the tests around the next result. */
  readonly #reported: string[] = []
  /** When each test began, by its key; several times where tests share a key, in order. */
  readonly #begun = new Map<string, number[]>()

  /** @param now milliseconds since the epoch. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** The line for an event; undefined for one that says nothing new. */
  take(event: TestEvent): Line | undefined {
    switch (event.type) {
      case 'test:dequeue':
        return this.#begin(event.data)
      case 'test:complete':
        return { kind: 'over', key: keyOf(event.data) }
      case 'test:start':
        this.#reported.length = event.data.nesting
        this.#reported.push(event.data.name)
        return undefined
      case 'test:pass':
      case 'test:fail':
        return this.#end(event.type === 'test:pass', event.data)
      case 'test:diagnostic': {
        const { message } = event.data
        return COUNT.test(message)
          ? undefined
          : { kind: 'note', text: withoutMiddle(message, NOTE) }
      }
      default:
        return undefined
    }
  }

  #begin(data: TestData): Line {
    const time = this.#now()
    this.#running.length = Math.min(this.#running.length, data.nesting)
    this.#running.push(data.name)
    const key = keyOf(data)
    this.#begun.set(key, [...(this.#begun.get(key) ?? []), time])
    return { kind: 'begun', key, name: [...this.#running], time }
  }

  #end(hasPassed: boolean, data: EndData): Line | undefined {
    const { details, skip, todo } = data
    const name = [...this.#reported.slice(0, data.nesting), data.name]
    const duration = details.duration_ms
    const start = this.#begun.get(keyOf(data))?.shift() ?? this.#now() - duration
    if (skip === NOT_WANTED) return undefined
    // A suite counts only where one of its hooks has failed, since that failure belongs to no test.
    if (details.type === 'suite' && (hasPassed || details.error?.failureType === 'subtestsFailed'))
      return undefined

    const base = { name, start, duration }
    let result: TestResult
    if (isGiven(skip)) {
      result = { ...base, status: 'skipped', ...reasonOf(skip) }
    } else if (hasPassed) {
      result = { ...base, status: 'passed' }
    } else if (isGiven(todo)) {
      // A test that is marked as to do may fail.
      result = { ...base, status: 'skipped', reason: typeof todo === 'string' ? todo : 'to do' }
    } else {
      result = { ...base, status: 'failed', failure: describeError(causeOf(details.error)) }
    }
    return { kind: 'result', result }
  }
}

function keyOf({ name, nesting, file, line, column }: TestData): string {
  return JSON.stringify([name, nesting, file, line, column])
}

function isGiven(value: string | boolean | undefined): value is string | true {
  return value !== undefined && value !== false
}

function reasonOf(skip: string | true): { readonly reason?: string } {
  return typeof skip === 'string' && skip !== '' ? { reason: skip } : {}
}

/** The value that the test has thrown, which Node wraps into an error of its own. */
function causeOf(error: EndData['details']['error']): unknown {
  const cause: unknown = error?.cause
  return cause instanceof Error ? cause : (error ?? 'failed')
}
