import { rmSync, rmdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TestReference } from '../record/event.ts'
import { say } from './terminal.ts'
import type { FailedTest, OwnedMachine, OwningTest } from './test-owner.ts'

/** The argument of a Vitest test's function, as far as it is used here. Vitest has all of it since 3.2. */
export interface VitestContext {
  readonly task: VitestTask
  /** Aborted when the test's time is over. */
  readonly signal: AbortSignal
  /** @param timeout in milliseconds. */
  onTestFinished(hook: () => Promise<void>, timeout?: number): void
}

/** Vitest's object for a test, as far as it is used here. */
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
  /** Data for reporters. */
  readonly meta: { lowerdir?: { readonly artifacts: readonly string[] } }
}

/** Vitest's object for a suite, as far as it is used here. */
export interface VitestSuite {
  readonly name: string
  readonly suite?: VitestSuite | undefined
}

/**
 * The time for the end of a failed test, in milliseconds, in which its journal is read and a person may use its shell: the
 * longest that a timer can have.
 */
const END_TIMEOUT = 2 ** 31 - 1

/** The folder of artifacts of Vitest's tests where no option and no variable names one. */
export function defaultFolder(): string {
  return join(process.cwd(), '.lowerdir')
}

/** A Vitest test as the owner of machines. */
export function vitestTest(context: VitestContext): OwningTest {
  const { task, signal } = context
  return {
    name: task.name,
    reference: taskReference(task),
    artifacts: defaultFolder(),
    // After a timeout Vitest may run the test again, with the same signal.
    get isOver() {
      return signal.aborted && !isLate(signal.reason)
    },
    failure: () => taskFailure(task),
    onEnd: (end) => context.onTestFinished(end, END_TIMEOUT),
    // Vitest has no subtests.
    onFailureWithin() {},
    keep: (machine, artifacts) => keepArtifacts(task, machine, artifacts),
    discard: discardArtifacts,
  }
}

/** Whether this is Vitest's error for a test that took too long. */
export function isLate(reason: unknown): boolean {
  return reason instanceof Error && reason.message.startsWith('Test timed out')
}

/** The place and name of a test, for the record of its machines. */
export function taskReference(task: VitestTask): TestReference {
  const names = [task.name]
  for (let suite = task.suite; suite !== undefined; suite = suite.suite) names.unshift(suite.name)
  return { file: task.file.filepath, name: names }
}

/** Why a test has failed; undefined where it has passed or still runs. */
export function taskFailure({ name, result }: VitestTask): FailedTest | undefined {
  if (result?.state !== 'fail') return undefined
  return { name, message: result.errors?.[0]?.message ?? '' }
}

/** Tells reporters and the person who runs the tests where the artifacts of a machine are. */
export function keepArtifacts(
  { name, meta }: VitestTask,
  machine: OwnedMachine,
  artifacts: readonly string[],
): void {
  meta.lowerdir = { artifacts: [...(meta.lowerdir?.artifacts ?? []), ...artifacts] }
  say(`"${name}" has failed; ${machine.artifacts} has what is left of ${machine.name}.`)
}

/** Removes the artifacts of a machine that has ended, and the folder around them if it is empty then. */
export function discardArtifacts({ artifacts }: OwnedMachine): void {
  if (artifacts === undefined) return
  rmSync(artifacts, { recursive: true, force: true })
  try {
    rmdirSync(dirname(artifacts))
  } catch (error) {
    if (!['ENOTEMPTY', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

let isListening = false

/**
 * Ends this process when it is a Vitest worker whose parent has died. Otherwise it would finish its test, and its machines
 * would run on. In other processes, and in a worker that is a thread, this does nothing.
 */
export function endWithVitest(): void {
  if (isListening || process.env['VITEST'] === undefined || !process.connected) return
  isListening = true
  // oxlint-disable-next-line no-restricted-properties -- the parent that would decide has died.
  process.once('disconnect', () => process.exit(1))
}
