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
    /** The files that tell about the machines of a test that has failed. */
    lowerdir?: { readonly artifacts: readonly string[] }
  }
}

/** How tests share machines. */
export interface VmTestOptions {
  /** Whether each test has a machine of its own, or all tests of a file have one. Default: `test`. */
  readonly scope?: 'test' | 'file'
  /**
   * Boots once, and lets each test go on from there with a machine of its own, which starts in a fraction of the time.
   * The snapshot is kept: the next run does not boot at all, unless something has changed ({@link snapshotOf}).
   * Files get to the machine over tcp. Default: false.
   */
  readonly snapshot?: boolean
  /** What is done to a machine before its tests: with `snapshot`, once for all of them. */
  readonly prepare?: (vm: Machine) => Promise<unknown>
}

/** What a test gets. */
export interface VmFixtures {
  readonly vm: Machine
}

/** Of all machines of this process. */
const memory = new MemoryQueue()

/**
 * Vitest's `test` with a machine, `vm`, which is booted for the tests that ask for it and is gone behind them. Where
 * a test fails, the record of its machine is kept with console, journal, screen and QEMU's command line: below
 * `$LOWERDIR_ARTIFACTS`, or `.lowerdir` of the current directory. `task.meta.lowerdir` says where, for reporters.
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

/** Each test of a file goes on from where the file's machine was when it had been prepared. */
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

/** How the machine of a file learns that one of its tests has failed. */
const failures = new WeakMap<Machine, () => void>()

/**
 * Gives a test a machine of its own. Where the test is given up, it ends at once, unless that is because its time is
 * over: then it can still tell what it knows.
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
  // One whose time was over is tried again, with the same signal.
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
