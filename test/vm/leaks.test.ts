import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, vi } from 'vitest'
import { temporaryDirectory } from '../support/temporary.ts'
import { restoredOptions } from '../support/vm-boot.ts'
import { BOOT_SECONDS, Cli, mainFile } from '../support/vm-cli.ts'

const clone = fileURLToPath(new URL('../..', import.meta.url))
const lowerdir = new URL('../../dist/index.js', import.meta.url).href

/** A test's process as its runner would kill it: it does something to machines, says so, and stays. */
function start(program: string): Cli {
  const script = `import { Machine, boot, network, snapshotOf } from ${JSON.stringify(lowerdir)}
const options = { memory: 384, init: 'none', transport: 'tcp' }
const restored = async () => Machine.restore(await snapshotOf(${JSON.stringify(restoredOptions)}))
${program}
console.log('so far')
await new Promise(() => setInterval(() => {}, 1000))`
  return Cli.staged(
    {
      argv: [process.execPath, '--input-type=module', '-e', script],
      env: { TMPDIR: temporaryDirectory() },
    },
    { cwd: clone },
  )
}

async function expectNothingLeft(cli: Cli): Promise<void> {
  await vi.waitFor(() => {
    expect([cli.helpers(), cli.reapers(), cli.leftovers()]).toEqual([[], [], []])
  })
}

describe.each([
  ['a machine with a command under way', 1, `void (await boot(options)).exec('sleep 1000')`],
  ['machines of a network', 2, `await network({ machines: { a: options, b: options } })`],
  [
    'machines that go on from a snapshot',
    3,
    `const vm = await restored()
const snapshot = await vm.snapshot()
await Promise.all([Machine.restore(snapshot), Machine.restore(snapshot)])`,
  ],
])('%s', (_what, machines, program) => {
  it('leave neither a process nor a file behind a process that was killed', async () => {
    await using cli = start(program)
    await cli.printed('so far', BOOT_SECONDS)
    expect(cli.helpers()).toHaveLength(machines)
    expect(cli.leftovers()).not.toEqual([])
    cli.child.kill('SIGKILL')
    await cli.end()
    await expectNothingLeft(cli)
  })
})

it('Vitest that is killed leaves none of what its workers have', async () => {
  const folder = temporaryDirectory()
  symlinkSync(join(clone, 'node_modules'), join(folder, 'node_modules'))
  const test = `import { vmTest } from ${JSON.stringify(lowerdir.replace('index.js', 'vitest.js'))}
vmTest(${JSON.stringify(restoredOptions)}, { snapshot: true })('waits', async ({ vm }) => {
  console.log('so far')
  await vm.waitForFile('/never')
})`
  writeFileSync(join(folder, 'waits.test.mjs'), test)
  const vitest = join(clone, 'node_modules/vitest/vitest.mjs')
  const args = ['run', '--root', folder, '--testTimeout=200000', '--disable-console-intercept']
  await using cli = Cli.staged(
    { argv: [process.execPath, vitest, ...args], env: { TMPDIR: temporaryDirectory() } },
    { cwd: folder },
  )
  await cli.printed('so far', BOOT_SECONDS)
  expect(cli.helpers()).toHaveLength(1)
  cli.child.kill('SIGKILL')
  await cli.end()
  await expectNothingLeft(cli)
})

it.each([
  ['one', 1, `await Machine.restore(await snapshotOf(${JSON.stringify(restoredOptions)}))`],
  ['two in a network', 2, 'await network({ machines: { a: options, b: options } })'],
])(
  '`lowerdir test` that is killed leaves none of its tests’ machines: %s',
  async (_what, machines, program) => {
    const folder = temporaryDirectory()
    const test = `import { test } from 'node:test'
import { Machine, network, snapshotOf } from 'lowerdir'
const options = { memory: 384, init: 'none' }
test('waits', async () => {
  ${program}
  console.log('so far')
  await new Promise(() => setInterval(() => {}, 1000))
})`
    writeFileSync(join(folder, 'waits.vm.test.mjs'), test)
    // For a report it has artifacts of its own.
    const argv = [
      process.execPath,
      mainFile,
      'test',
      `${folder}/waits.vm.test.mjs`,
      '--report=report.html',
    ]
    await using cli = Cli.staged({ argv, env: { TMPDIR: folder } }, { cwd: folder })
    await cli.printed('so far', BOOT_SECONDS)
    // The process of its tests, and their QEMUs.
    expect(cli.helpers()).toHaveLength(1 + machines)
    cli.child.kill('SIGKILL')
    await cli.end()
    await expectNothingLeft(cli)
  },
)

it('a process that ends by itself leaves nothing either, whatever it has not disposed of', async () => {
  await using cli = start(`await restored(); process.exit(3)`)
  expect((await cli.end()).status).toBe(3)
  await expectNothingLeft(cli)
})
