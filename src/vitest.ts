import { type TestAPI, type TestContext, test } from 'vitest'
import { boot } from './driver/boot.ts'
import { examine } from './driver/failed-test.ts'
import { Machine, guestOf } from './driver/machine.ts'
import { MemoryQueue } from './driver/memory-queue.ts'
import type { BootOptions } from './driver/options.ts'
import { artifactsRoot } from './record/artifacts.ts'
import { type Preparation, snapshotOf } from './driver/snapshot-of.ts'
import type { MachineSnapshot } from './driver/machine-snapshot.ts'
import { memoryMiB } from './driver/options.ts'
import {
  defaultFolder,
  discardArtifacts,
  isLate,
  keepArtifacts,
  taskFailure,
  taskReference,
} from './driver/vitest-context.ts'

declare module 'vitest' {
  interface TaskMeta {
    /** The artifacts of the machines of a failed test: absolute paths. */
    lowerdir?: { readonly artifacts: readonly string[] }
  }
}

/** How tests use machines. */
export interface VmTestOptions {
  /** Whether each test has a machine of its own, or all tests of a file share one. Default: `test`. */
  readonly scope?: 'test' | 'file'
  /**
   * Boots once and takes a snapshot. Each test has a machine of its own that goes on from it, which starts in a fraction of
   * the time of a boot. The snapshot is kept: later runs do not boot at all, as long as nothing has changed that it depends
   * on ({@link snapshotOf}). The transport is then tcp. Default: false.
   */
  readonly snapshot?: boolean
  /** Prepares a machine for its tests; with `snapshot`, once before the snapshot is taken. */
  readonly prepare?: (vm: Machine) => Promise<unknown>
}

/** The fixtures of a test. */
export interface VmFixtures {
  readonly vm: Machine
}

/** The memory of all machines of this process. */
const memory = new MemoryQueue()

/**
 * Vitest's `test` with a fixture `vm`: a machine that is booted for the tests that use it, and ended after them. When a test
 * fails, the artifacts of its machine are kept (record, console, journal, screenshot, QEMU's command line) in
 * `$LOWERDIR_ARTIFACTS`, or in `.lowerdir` of the current directory. `task.meta.lowerdir` has their paths, for reporters.
 *
 * ```ts
 * import { expect } from 'vitest'
 * import { vmTest } from 'lowerdir/vitest'
 *
 * const test = vmTest({ root: '/srv/debian' })
 *
 * test('the unit answers', async ({ vm }) => {
 *   await vm.waitForUnit('nginx')
 *   expect(await vm.succeed('curl -sf localhost')).toContain('Welcome')
 * })
 * ```
 */
export function vmTest(
  options: BootOptions = {},
  { scope = 'test', snapshot = false, prepare }: VmTestOptions = {},
): TestAPI<VmFixtures> {
  const start = async (each: BootOptions): Promise<Machine> => {
    const machine = await boot(each)
    try {
      await prepare?.(machine)
      return machine
    } catch (error) {
      await machine[Symbol.asyncDispose]()
      throw error
    }
  }
  if (snapshot) return fromSnapshot(options, prepare === undefined ? {} : { prepare })
  if (scope === 'test') {
    return test.extend<VmFixtures>({
      async vm({ task, signal }, use) {
        await forTest(options, start, { task, signal }, use)
      },
    })
  }
  return test.extend<VmFixtures & { evidence: undefined }>({
    vm: [
      // oxlint-disable-next-line no-empty-pattern -- Vitest reads from it which fixtures this one takes.
      async ({}, use) => {
        let hasFailed = false
        await withMachine(options, start, async (machine) => {
          failures.set(machine, () => {
            hasFailed = true
          })
          await use(machine)
          return hasFailed
        })
      },
      { scope: 'file' },
    ],
    evidence: [
      async ({ vm, task }, use) => {
        await use(undefined)
        if (await afterTest(vm, task)) failures.get(vm)?.()
      },
      { auto: true },
    ],
  })
}

/** Gives each test of a file a machine that goes on from the snapshot. */
function fromSnapshot(options: BootOptions, preparation: Preparation): TestAPI<VmFixtures> {
  return test.extend<VmFixtures & { baseline: MachineSnapshot }>({
    baseline: [
      // oxlint-disable-next-line no-empty-pattern -- Vitest reads from it which fixtures this one takes.
      async ({}, use) => {
        await use(await snapshotOf(options, preparation))
      },
      { scope: 'file' },
    ],
    async vm({ baseline, task, signal }, use) {
      const restore = (each: BootOptions): Promise<Machine> => Machine.restore(baseline, each)
      await forTest(options, restore, { task, signal }, use)
    },
  })
}

type Task = TestContext['task']

/** Called when a test of the file that a machine belongs to has failed. */
const failures = new WeakMap<Machine, () => void>()

/**
 * Gives a test a machine of its own. When Vitest aborts the test, the machine ends at once; after a timeout it lives on until
 * its journal and its screen are kept.
 */
async function forTest(
  options: BootOptions,
  start: (options: BootOptions) => Promise<Machine>,
  { task, signal }: Pick<TestContext, 'task' | 'signal'>,
  use: (machine: Machine) => Promise<void>,
): Promise<void> {
  const over = new AbortController()
  let isStarting = true
  const giveUp = (): void => {
    if (isStarting || !isLate(signal.reason)) over.abort(signal.reason)
  }
  signal.addEventListener('abort', giveUp, { once: true })
  // Vitest runs a test again after a timeout, with the same signal, which is aborted already then.
  if (signal.aborted && !isLate(signal.reason)) giveUp()
  const each = { ...options, test: taskReference(task), signal: over.signal }
  await withMachine(each, start, async (machine) => {
    isStarting = false
    await use(machine)
    return afterTest(machine, task)
  })
}

/** @param body says whether the artifacts are worth keeping. */
async function withMachine(
  options: BootOptions,
  start: (options: BootOptions) => Promise<Machine>,
  body: (machine: Machine) => Promise<boolean>,
): Promise<void> {
  const artifacts = artifactsRoot(options.artifacts) ?? defaultFolder()
  const room = await memory.take(memoryMiB(options))
  try {
    await using machine = await start({ ...options, artifacts })
    if (!(await body(machine))) discardArtifacts(machine)
  } finally {
    room[Symbol.dispose]()
  }
}

/** @returns whether the test has failed. */
async function afterTest(machine: Machine, task: Task): Promise<boolean> {
  const failure = taskFailure(task)
  if (failure === undefined) return false
  keepArtifacts(task, machine, await examine(guestOf(machine), failure))
  return true
}
