import { fileURLToPath } from 'node:url'
import { describe, expect, it, vi } from 'vitest'
import { temporaryDirectory } from '../support/temporary.ts'
import { Cli } from '../support/vm-cli.ts'

const lowerdir = new URL('../../dist/index.js', import.meta.url).href

/** A test's process as its runner would kill it: it does something to machines, says so, and stays. */
function start(program: string): Cli {
  const script = `import { Machine, boot, network } from ${JSON.stringify(lowerdir)}
const options = { memory: 384, init: 'none', transport: 'tcp' }
${program}
console.log('so far')
await new Promise(() => setInterval(() => {}, 1000))`
  return Cli.staged(
    {
      argv: [process.execPath, '--input-type=module', '-e', script],
      env: { TMPDIR: temporaryDirectory() },
    },
    { cwd: fileURLToPath(new URL('../..', import.meta.url)) },
  )
}

describe.each([
  ['a machine with a command under way', 1, `void (await boot(options)).exec('sleep 1000')`],
  ['machines of a network', 2, `await network({ machines: { a: options, b: options } })`],
  [
    'machines that go on from a snapshot',
    3,
    `const vm = await boot(options)
const snapshot = await vm.snapshot()
await Promise.all([Machine.restore(snapshot), Machine.restore(snapshot)])`,
  ],
])('%s', (_what, machines, program) => {
  it('leave neither a process nor a file behind a process that was killed', async () => {
    await using cli = start(program)
    await cli.printed('so far')
    expect(cli.helpers()).toHaveLength(machines)
    expect(cli.leftovers()).not.toEqual([])
    cli.child.kill('SIGKILL')
    await cli.ended
    await vi.waitFor(() => {
      expect([cli.helpers(), cli.reapers(), cli.leftovers()]).toEqual([[], [], []])
    }, 10_000)
  })
})

it('a process that ends by itself leaves nothing either, whatever it has not disposed of', async () => {
  await using cli = start(`await boot(options); process.exit(3)`)
  expect((await cli.ended).status).toBe(3)
  await vi.waitFor(() => {
    expect([cli.helpers(), cli.reapers(), cli.leftovers()]).toEqual([[], [], []])
  }, 10_000)
})
