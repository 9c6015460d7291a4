import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { servingProcesses } from '../../bench/serving-processes.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { BOOT_SECONDS, Cli } from '../support/vm-cli.ts'

// That each of these ends at all is the test: nothing here has a --timeout, and a step that does not end is given
// up after minutes only.

/** Longer than any test may take. */
const FOR_EVER = 1000

/** A run whose command says "command runs", waits for {@link go}, and then stays, or does something else. */
function start(then = `sleep ${FOR_EVER}`, ...options: readonly string[]): Cli {
  const script = `echo command runs; read go; ${then}`
  return Cli.start(['run', ...options, '--', 'sh', '-c', script], { input: null })
}

function go(cli: Cli): void {
  cli.child.stdin!.write('go\n')
}

function expectNothingLeft(cli: Cli): void {
  expect([cli.helpers(), cli.leftovers()]).toEqual([[], []])
}

describe('a run whose guest ends', () => {
  const panic = ['c', "The guest's kernel panicked: sysrq triggered crash.", 'Kernel Offset']
  it.each([
    ['panics', ...panic],
    ['panics and is told to stay', ...panic, '--append=panic=0'],
    ['reboots', 'b', 'The guest rebooted.', 'a word before'],
    ['powers off', 'o', 'The guest powered off.', 'a word before'],
  ])('because it %s: says so', async (_way, key, reason, word, ...options) => {
    await using cli = start(
      `echo a word before > /dev/console; echo ${key} > /proc/sysrq-trigger; sleep ${FOR_EVER}`,
      ...options,
    )
    await cli.printed('command runs', BOOT_SECONDS)
    go(cli)
    const { status, stdout, stderr } = await cli.end()
    expect(stderr).toContain(`lowerdir: ${reason}`)
    const [, console = ''] = stderr.split("lowerdir: The end of the guest's console:\n")
    expect(console).toMatch(/^( {2}\| .*\n)+lowerdir: .*\n$/)
    expect(console).toContain(word)
    expect([status, stdout.toString()]).toEqual([125, 'command runs\n'])
    expectNothingLeft(cli)
  })

  it('because QEMU was killed: says so', async () => {
    await using cli = start()
    await cli.printed('command runs', BOOT_SECONDS)
    const qemus = cli.helpers()
    expect(qemus).toHaveLength(1)
    process.kill(qemus[0]!, 'SIGKILL')
    const { status, stderr } = await cli.end()
    expect(stderr).toContain('lowerdir: QEMU was ended by SIGKILL.')
    expect(status).toBe(125)
    expectNothingLeft(cli)
  })

  it('before it is ready: says why, with the end of the console', async () => {
    await using cli = start('exit', '--append=rdinit=/nope')
    const { status, stdout, stderr } = await cli.end()
    expect(stderr).toMatch(/^lowerdir: The guest's kernel panicked: /m)
    expect(stderr).toMatch(/^ {2}\| .*Kernel panic - not syncing/m)
    expect([status, stdout.toString()]).toEqual([125, ''])
    expectNothingLeft(cli)
  })
})

describe('a run on a directory with nothing in it', () => {
  it('boots, and has no command to offer', async () => {
    const root = join(temporaryDirectory(), 'root')
    mkdirSync(root)
    await using cli = start('exit', `--root=${root}`)
    const { status, stderr } = await cli.end()
    expect(stderr).toContain('lowerdir: sh: not found in the guest')
    expect(status).toBe(127)
    expectNothingLeft(cli)
  })
})

describe.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s', (signal, expected) => {
  it.each([
    ['during the boot', 'starting QEMU'],
    ['during a command', 'command runs'],
  ])('%s ends everything', async (_when, word) => {
    await using cli = start()
    await cli.printed(word)
    await vi.waitFor(() => expect(cli.helpers()).toHaveLength(1))
    cli.child.kill(signal)
    const { status, stderr } = await cli.end()
    expect(status).toBe(expected)
    expect(stderr).not.toContain('Error')
    expectNothingLeft(cli)
  })

  it('during a command ends everything, also servers that do not answer', async () => {
    await using cli = start()
    await cli.printed('command runs', BOOT_SECONDS)
    const servers = servingProcesses(cli.child.pid!)
    expect(servers).not.toEqual([])
    for (const pid of servers) process.kill(pid, 'SIGSTOP')
    cli.child.kill(signal)
    const { status } = await cli.end()
    expect(status).toBe(expected)
    expectNothingLeft(cli)
    expect(servers.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([])
  })
})

describe('a run that is killed with SIGKILL', () => {
  it('leaves no process and no file', async () => {
    await using cli = start()
    await cli.printed('command runs', BOOT_SECONDS)
    expect(cli.helpers()).toHaveLength(1)
    expect(cli.leftovers()).not.toEqual([])
    cli.child.kill('SIGKILL')
    expect((await cli.end()).status).toBe(137)
    await vi.waitFor(() => {
      expectNothingLeft(cli)
      expect(cli.reapers()).toEqual([])
    })
  })

  it('and whose reaper was killed as well, is cleared up behind by the next one', async () => {
    await using cli = start()
    await cli.printed('command runs', BOOT_SECONDS)
    for (const pid of cli.reapers()) process.kill(pid, 'SIGKILL')
    cli.child.kill('SIGKILL')
    await cli.end()
    await vi.waitFor(() => expect(cli.helpers()).toEqual([]))
    expect(cli.leftovers()).not.toEqual([])

    await using next = Cli.start(['run', '--timeout=1', '--', 'true'], {
      env: { TMPDIR: cli.folder },
    })
    expect((await next.end()).status).toBe(124)
    expectNothingLeft(cli)
  })
})
