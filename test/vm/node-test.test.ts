import {
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { snapshotOf } from '../../src/driver/snapshot-of.ts'
import { debianRoot } from '../support/debian-root.ts'
import { BOOT_SECONDS, Cli, mainFile } from '../support/vm-cli.ts'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lowerdir-test-')))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Writes a file of tests as people do. */
function write(name: string, tests: string): void {
  const beginning = `
    import assert from 'node:assert/strict'
    import { test } from 'node:test'
    import { Machine, boot, network, snapshotOf } from 'lowerdir'
    const small = { init: 'none', memory: 384, transport: 'tcp' } as const
    const snapshot = await snapshotOf({ ...small, name: 'restored' })
    const machines: Machine[] = []`
  writeFileSync(join(folder, name), `${beginning}\n${tests}`)
}

const owning = (root: string): string => `
  test('fails', async (t) => {
    const vm = await boot({ root: '${root}', memory: 512, name: 'failing', test: t })
    await vm.waitForUnit('systemd-journald')
    await vm.succeed('logger written by the test')
    vm.always('it holds', () => false)
    await vm.waitForFile('/never')
  })

  test('passes', async (t) => {
    const vm = await boot({ ...small, name: 'passing', test: t })
    const fork = await vm.fork({ test: t })
    machines.push(vm, fork)
    await fork.succeed('true')
    await vm[Symbol.asyncDispose]()
  })

  test('has others within it', async (t) => {
    const vm = await Machine.restore(snapshot, { test: t })
    machines.push(vm)
    await vm.succeed('echo said >/dev/console')
    await t.test('good', () => vm.succeed('true'))
    await t.test('bad', () => vm.succeed('false'))
    await t.test('good again', () => vm.succeed('true'))
  })

  test('owns a network', async (t) => {
    const net = await network({ machines: { left: small, right: small }, test: t })
    machines.push(...Object.values(net.machines))
    throw new Error('enough')
  })

  test('comes behind them', () => {
    assert.deepEqual(machines.map(({ isUp }) => isUp), [false, false, false, false, false])
  })`

const ending = `
  let isGivenUp = false

  test('takes too long', { timeout: 20_000 }, async (t) => {
    const vm = await Machine.restore(snapshot, { test: t })
    machines.push(vm)
    await vm.succeed('echo said >/dev/console')
    await vm.waitForFile('/never')
  })

  // With -S its processors never start, however fast this machine is.
  test('takes too long to boot', { timeout: 2000 }, async (t) => {
    const options = { ...small, name: 'unborn', qemuArguments: ['-S'], test: t }
    await boot(options).catch(() => { isGivenUp = true })
  })

  test('has a hook that throws', async (t) => {
    assert.equal(isGivenUp, true)
    t.after(() => { throw new Error('of its own') })
    machines.push(await Machine.restore(snapshot, { test: t }))
  })

  test('comes behind them', { timeout: 30_000 }, async () => {
    const [late, forsaken] = machines
    assert.equal(late.isUp, false)
    await forsaken.ended
  })`

describe('a machine that is a test’s', () => {
  let stdout: string
  let rest: readonly unknown[]

  beforeAll(async () => {
    // Made here, so that no file of tests has to: the machine would have a folder of artifacts of its own there.
    await snapshotOf({ init: 'none', memory: 384, transport: 'tcp', name: 'restored' })
    const { folder: root } = await debianRoot()
    write('owning.vm.test.ts', owning(root))
    write('ending.vm.test.ts', ending)
    await using cli = Cli.start(['test', '--artifacts=kept', '--timeout=600'], { cwd: folder })
    const end = await cli.end(1100)
    stdout = end.stdout.toString()
    rest = [...cli.leftovers(), ...cli.helpers()]
  }, 1_200_000)

  const left = (machine: string): string[] => readdirSync(join(folder, 'kept', machine)).toSorted()
  const record = ['console.log', 'events.jsonl', 'qemu.txt', 'screenshot-1.png']

  it('leaves its journal and its screen when that has failed', () => {
    const failing = 'owning.vm.test.ts/failing'
    expect(left(failing)).toEqual([...record, 'journal.txt'].toSorted())
    const journal = readFileSync(join(folder, 'kept', failing, 'journal.txt'), 'utf8')
    expect(journal).toContain('written by the test')
    const screen = readFileSync(join(folder, 'kept', failing, 'screenshot-1.png'))
    expect(screen.toString('latin1')).toMatch(/^.PNG/)
  })

  it('leaves its screen when a test within that has failed, once', () => {
    expect(left('owning.vm.test.ts/restored')).toEqual(record)
  })

  it('leaves it in a network as well, and when its time was over', () => {
    expect(left('owning.vm.test.ts/left')).toEqual(record)
    expect(left('owning.vm.test.ts/right')).toEqual(record)
    expect(left('ending.vm.test.ts/restored')).toEqual(record)
  })

  it('leaves nothing when that has passed', () => {
    expect(left('owning.vm.test.ts')).toEqual(['failing', 'left', 'restored', 'right'])
  })

  it('ends with that, however it ends', () => {
    expect(stdout).toMatch(/^FAIL .* › fails\n.*always: it holds/m)
    expect(stdout).toMatch(/^ok .* owning\.vm\.test\.ts › passes$/m)
    expect(stdout).toMatch(/^ok .* owning\.vm\.test\.ts › comes behind them$/m)
    expect(stdout).toMatch(/^FAIL .* ending\.vm\.test\.ts › takes too long\n.*timed out after 20/m)
    expect(stdout).toMatch(/^FAIL .* › takes too long to boot\n.*timed out after 2000/m)
    expect(stdout).toMatch(/^FAIL .* › has a hook that throws\n.*Error: of its own/m)
    expect(stdout).toMatch(/^ok .* ending\.vm\.test\.ts › comes behind them$/m)
    expect(rest).toEqual([])
  })
})

describe('lowerdir test --shell-on-failure', () => {
  it('leads to the machine of a test that has failed, and shows why', async () => {
    write(
      'look.vm.test.ts',
      `test('fails', async (t) => {
        const vm = await boot({ ...small, name: 'looked-at', test: t })
        await vm.succeed('echo on purpose >/tmp/note; cat /tmp/note >&2; false')
      })`,
    )
    const inside = `stty rows 33 cols 101; before=$(stty -g)
      '${process.execPath}' '${mainFile}' test --shell-on-failure look.vm.test.ts </dev/null | cat
      test "$(stty -g)" = "$before" && echo modes restored`
    await using cli = Cli.staged(
      {
        argv: ['script', '--quiet', '--flush', '--return', '--command', inside, '/dev/null'],
        env: { TMPDIR: folder, TERM: 'dumb', SHELL: '/bin/sh' },
      },
      { input: null, cwd: folder },
    )
    await cli.printed('a shell of looked-at', BOOT_SECONDS)
    expect(cli.stdout).toMatch(/"fails" has failed, [^]* exited with 1\.[^]*on purpose/)
    cli.child.stdin!.write('echo "s"ize $(stty size), $(cat /tmp/note)\n')
    // A login shell of the guest's starts first, which takes as long as a boot on a busy machine.
    await cli.printed('size 33 101, on purpose', BOOT_SECONDS)
    cli.child.stdin!.write('exit\n')
    const { stdout } = await cli.end()
    expect(stdout.toString()).toMatch(/FAIL .* › fails\r?\n[^]*0 passed, 1 failed/)
    expect(stdout.toString()).toContain('modes restored')
    // Nothing has painted over it.
    expect(stdout.toString()).not.toContain('\u001B[2K')
    expect([cli.helpers(), cli.leftovers()]).toEqual([[], []])
  })
})
