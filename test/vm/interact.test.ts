import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BOOT_SECONDS, Cli } from '../support/vm-cli.ts'

const driver = fileURLToPath(new URL('../../dist/index.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'lowerdir-test-'))

/** A person's program: its own streams are no terminal, as in a test's runner. */
const program = `
import { boot } from '${driver}'
const vm = await boot({ init: 'none', memory: 512, name: 'talked-to', env: { HOME: '/' } })
try {
  for (let i = 0; i < 2; i++) console.log('shell ended with', await vm.shellInteract())
  vm.exec('cat /dev/ttyS0 >/tmp/heard').then(undefined, () => {})
  await vm.succeed('echo said before >/dev/ttyS0')
  await vm.waitForConsoleText('said before')
  const left = vm.consoleInteract()
  await vm.succeed('echo said meanwhile >/dev/ttyS0')
  await left
  console.log('heard:', await vm.waitUntilSucceeds('grep typed /tmp/heard', { timeout: 60 }))
} finally {
  await vm[Symbol.asyncDispose]()
}
`

let cli: Cli

/** Types a line with \`word\` in it in quotes, so that only its output has it as it is. */
async function type(line: string, word: string, seconds?: number): Promise<void> {
  cli.child.stdin!.write(line)
  await cli.printed(word, seconds)
}

beforeAll(async () => {
  writeFileSync(join(folder, 'program.mjs'), program)
  const inside = `stty rows 33 cols 101; before=$(stty -g)
    '${process.execPath}' '${join(folder, 'program.mjs')}' </dev/null | cat
    test "$(stty -g)" = "$before" && echo modes restored`
  cli = Cli.staged(
    {
      argv: ['script', '--quiet', '--flush', '--return', '--command', inside, '/dev/null'],
      env: { TMPDIR: folder, TERM: 'dumb', SHELL: '/bin/sh' },
    },
    { input: null },
  )
  await cli.printed('a shell of talked-to', BOOT_SECONDS)
})

afterAll(async () => {
  await cli[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

describe('a person at the terminal', () => {
  it('has a shell of the guest’s, as large as the window', async () => {
    const line = 'echo "s"ize $(stty size) on $(tty) of $(hostname), TERM=$TERM\n'
    // A login shell of the guest's starts first, which takes as long as a boot on a busy machine.
    await type(line, 'size 33 101', BOOT_SECONDS)
    expect(cli.stdout).toContain('size 33 101 on /dev/hvc0 of talked-to, TERM=dumb')
  })

  it('has Ctrl-C for what runs there', async () => {
    await type('sh -c \'echo "b"efore; exec sleep 1000\'\n', 'before')
    await type('\u0003', '^C')
    await type('echo "s"tatus $?\n', 'status 130')
  })

  it('leaves it and comes back', async () => {
    await type('exit 3\n', 'shell ended with 3')
    await type('echo "a"gain\n', 'again')
    await type('exit\n', 'shell ended with 0')
  })

  it('has the console, and leaves it with Ctrl-]', async () => {
    await cli.printed('the console of talked-to')
    await cli.printed('said before\r')
    await cli.printed('said meanwhile\r')
    cli.child.stdin!.write('typed on it\n')
    cli.child.stdin!.write('\u001D')
    const { stdout } = await cli.end()
    expect(stdout.toString()).toMatch(/heard: typed on it\r?\n/)
    expect(stdout.toString()).toContain('modes restored')
    expect([cli.helpers(), cli.leftovers()]).toEqual([[], []])
  })
})
