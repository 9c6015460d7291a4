import { rmSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { type TestAPI, type TestContext, test } from 'vitest'
import { boot } from './testing/boot.ts'
import { examine } from './testing/failed-test.ts'
import { Machine } from './testing/machine.ts'
import { MemoryQueue } from './testing/memory-queue.ts'
import type { BootOptions } from './testing/options.ts'
import { artifactsRoot } from './testing/record/artifacts.ts'
import type { TestReference } from './testing/record/event.ts'
import { say } from './testing/say.ts'
import { type Preparation, snapshotOf } from './testing/snapshot-of.ts'
import type { MachineSnapshot } from './testing/snapshot.ts'
import { memoryMiB } from './testing/size.ts'

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
        await forTest({ ...options, signal }, start, task, use)
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
      await forTest({ ...options, signal }, restore, task, use)
    },
  })
}

type Task = TestContext['task']

/** How the machine of a file learns that one of its tests has failed. */
const failures = new WeakMap<Machine, () => void>()

/** Gives a test a machine of its own. */
async function forTest(
  options: BootOptions,
  start: (options: BootOptions) => Promise<Machine>,
  task: Task,
  use: (machine: Machine) => Promise<void>,
): Promise<void> {
  await withMachine({ ...options, test: referenceTo(task) }, start, async (machine) => {
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
  const artifacts = artifactsRoot(options.artifacts) ?? join(process.cwd(), '.lowerdir')
  const room = await memory.take(memoryMiB(options))
  try {
    await using machine = await start({ ...options, artifacts })
    if (await body(machine)) return
    rmSync(machine.artifacts ?? artifacts, { recursive: true, force: true })
    removeIfEmpty(artifacts)
  } finally {
    room[Symbol.dispose]()
  }
}

/** @returns whether the test has failed. */
async function afterTest(machine: Machine, { name, result, meta }: Task): Promise<boolean> {
  if (result?.state !== 'fail') return false
  const artifacts = await examine(machine, { name, message: result.errors?.[0]?.message ?? '' })
  meta.lowerdir = { artifacts: [...(meta.lowerdir?.artifacts ?? []), ...artifacts] }
  say(`"${name}" has failed; ${machine.artifacts} has what is left of ${machine.name}.`)
  return true
}

/** Other tests may have something in it. */
function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder)
  } catch (error) {
    if (!['ENOTEMPTY', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

function referenceTo(task: Task): TestReference {
  const names = [task.name]
  for (let suite = task.suite; suite !== undefined; suite = suite.suite) names.unshift(suite.name)
  return { file: task.file.filepath, name: names }
}
