import { rmSync, rmdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { FailedTest } from './failed-test.ts'
import type { Machine } from './machine.ts'
import type { OwningTest } from './owning-test.ts'
import type { TestReference } from '../record/event.ts'
import { say } from './say.ts'

/** What the function of a test of Vitest's gets, as far as it is used here. Vitest has all of it since 3.2. */
export interface VitestContext {
  readonly task: VitestTask
  /** Aborted when the test's time is over. */
  readonly signal: AbortSignal
  /** @param timeout in milliseconds. */
  onTestFinished(hook: () => Promise<void>, timeout?: number): void
}

/** A test of Vitest's, as far as it is used here. */
export interface VitestTask {
  readonly name: string
  readonly file: { readonly filepath: string }
  readonly suite?: VitestSuite | undefined
  readonly result?:
    | {
        readonly state: string
        readonly errors?: readonly { readonly message: string }[] | undefined
      }
    | undefined
  /** For reporters. */
  readonly meta: { lowerdir?: { readonly artifacts: readonly string[] } }
}

interface VitestSuite {
  readonly name: string
  readonly suite?: VitestSuite | undefined
}

/** How long the machines of a test that has failed may take to tell what they know, in milliseconds; a person to look. */
const END_TIMEOUT = 2 ** 31 - 1

/** Where Vitest's tests leave artifacts when nobody says otherwise. */
export function defaultFolder(): string {
  return join(process.cwd(), '.lowerdir')
}

/** A test of Vitest's. */
export function vitestTest(context: VitestContext): OwningTest {
  const { task, signal } = context
  return {
    name: task.name,
    reference: taskReference(task),
    artifacts: defaultFolder(),
    // That its time was over is not the end of it: Vitest may try again, with the same signal.
    get isOver() {
      return signal.aborted && !isLate(signal.reason)
    },
    failure: () => taskFailure(task),
    onEnd: (end) => context.onTestFinished(end, END_TIMEOUT),
    // Vitest knows no tests within tests.
    onFailureWithin() {},
    keep: (machine, artifacts) => keepArtifacts(task, machine, artifacts),
    discard: discardArtifacts,
  }
}

/** Whether this is Vitest's error for a test that has taken too long. */
export function isLate(reason: unknown): boolean {
  return reason instanceof Error && reason.message.startsWith('Test timed out')
}

export function taskReference(task: VitestTask): TestReference {
  const names = [task.name]
  for (let suite = task.suite; suite !== undefined; suite = suite.suite) names.unshift(suite.name)
  return { file: task.file.filepath, name: names }
}

export function taskFailure({ name, result }: VitestTask): FailedTest | undefined {
  if (result?.state !== 'fail') return undefined
  return { name, message: result.errors?.[0]?.message ?? '' }
}

/** Tells reporters, and whoever runs the tests, where a machine's artifacts are. */
export function keepArtifacts(
  { name, meta }: VitestTask,
  machine: Machine,
  artifacts: readonly string[],
): void {
  meta.lowerdir = { artifacts: [...(meta.lowerdir?.artifacts ?? []), ...artifacts] }
  say(`"${name}" has failed; ${machine.artifacts} has what is left of ${machine.name}.`)
}

/** Removes the artifacts of a machine that is gone, and the folder that they are in if they were the last there. */
export function discardArtifacts({ artifacts }: Machine): void {
  if (artifacts === undefined) return
  rmSync(artifacts, { recursive: true, force: true })
  try {
    rmdirSync(dirname(artifacts))
  } catch (error) {
    if (!['ENOTEMPTY', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}
