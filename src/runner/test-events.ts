import type { TestEvent } from 'node:test/reporters'
import type { TestResult } from '../report/results.ts'
import { describeError } from './describe-error.ts'
import type { Line } from './line.ts'

/** Why Node skips what `--test-name-pattern` does not match, as far as it says so. */
const NOT_WANTED = 'test name does not match pattern'

/** What Node says at the end, which is counted here as well. */
const COUNT = /^(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/

/** What events say about the test that they are of. */
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
 * Follows the events of node:test within the process that runs the tests. There are two orders: some events come when
 * something happens (`test:dequeue`, `test:complete`), others in the order of the file (`test:start`, `test:pass`,
 * `test:fail`), so that in the latter tests are within each other as brackets are.
 */
export class TestEvents {
  readonly #now: () => number
  /** The names of what runs, by how deep it is; only roughly where tests run at the same time. */
  readonly #running: string[] = []
  /** The names of what is being reported. */
  readonly #reported: string[] = []
  /** When each test began; those of the same name and place in the order in which they did. */
  readonly #begun = new Map<string, number[]>()

  /** @param now milliseconds since the epoch. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** What there is to tell when an event has come. */
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
        return COUNT.test(message) ? undefined : { kind: 'note', text: message }
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
    // A suite is not a test, but what fails in its hooks is nobody else's.
    if (details.type === 'suite' && (hasPassed || details.error?.failureType === 'subtestsFailed'))
      return undefined

    const base = { name, start, duration }
    let result: TestResult
    if (isGiven(skip)) {
      result = { ...base, status: 'skipped', ...reasonOf(skip) }
    } else if (hasPassed) {
      result = { ...base, status: 'passed' }
    } else if (isGiven(todo)) {
      // It is known not to work yet.
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

/** What the test has thrown; Node wraps it into an error of its own. */
function causeOf(error: EndData['details']['error']): unknown {
  const cause: unknown = error?.cause
  return cause instanceof Error ? cause : (error ?? 'failed')
}
