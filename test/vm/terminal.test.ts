import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BOOT_SECONDS, Cli, mainFile } from '../support/vm-cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'lowerdir-test-'))
let cli: Cli

// A terminal shows what is typed, too. So words that a test waits for are typed with quotes in them.
//
// A key that sends a signal is pressed when the command in front says that it runs, and that command is one process
// which has been exec'ed: `exec sleep`. dash starts `sleep` without `exec` by vfork. A Ctrl-Z between vfork and exec
// stops the child while its parent waits for the exec, and then no signal reaches the parent.

function type(keys: string): void {
  cli.child.stdin!.write(keys)
}

/** What the terminal shows from typing `line` until it shows `word`. */
async function shell(line: string, word: string, seconds?: number): Promise<string> {
  const before = cli.stdout.length
  type(`${line}; echo "${word[0]}"${word.slice(1)}\n`)
  await cli.printed(word, seconds)
  return cli.stdout.slice(before).replaceAll('\r', '')
}

beforeAll(async () => {
  const inside = `echo on $(tty); stty rows 33 cols 101; before=$(stty -g)
    '${process.execPath}' '${mainFile}' run --env HOME=/; status=$?
    test "$(stty -g)" = "$before" && echo modes restored
    exit $status`
  cli = Cli.staged(
    {
      argv: ['script', '--quiet', '--flush', '--return', '--command', inside, '/dev/null'],
      env: { TMPDIR: folder, TERM: 'dumb', SHELL: '/bin/sh' },
    },
    { input: null },
  )
  await cli.printed('ready', BOOT_SECONDS)
})

afterAll(async () => {
  await cli[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

describe('a run without a command, on a terminal', () => {
  it('is a shell on a terminal of the guest’s, as large as ours', async () => {
    const shown = await shell(
      'tty; stty size; echo TERM=$TERM; test -t 0 -a -t 1 -a -t 2',
      'seen-1',
      // A login shell of the guest's starts first, which takes as long as a boot on a busy machine.
      BOOT_SECONDS,
    )
    expect(shown).toContain('\n/dev/hvc0\n')
    expect(shown).toContain('\n33 101\n')
    expect(shown).toContain('\nTERM=dumb\n')
    expect(cli.stdout).not.toContain('no job control')
  })

  it('has jobs', async () => {
    expect(await shell('sleep 1000 & jobs', 'seen-2')).toMatch(/^\[1\].*Running +sleep 1000 &/m)
    type('sh -c \'echo "i"n front; exec sleep 2000\'\n')
    await cli.printed('in front')
    type('\x1a')
    await cli.printed('Stopped')
    expect(await shell('jobs', 'seen-3')).toContain('Stopped')
  })

  it('passes Ctrl-C to the guest’s command, and lives on', async () => {
    type('sh -c \'echo "b"efore; exec sleep 3000\'\n')
    await cli.printed('before')
    type('\x03')
    expect(await shell('echo status $?', 'seen-4')).toContain('\nstatus 130\n')
  })

  it('follows the window’s size', async () => {
    const [, device = ''] = /^on (\S+)/m.exec(cli.stdout) ?? []
    execFileSync('stty', ['-F', device, 'rows', '40', 'cols', '120'])
    await shell('until [ "$(stty size)" = "40 120" ]; do sleep 0.1; done', 'seen-5')
  })

  it('ends with the shell’s status, and leaves the terminal as it was', async () => {
    type('exit 9\n')
    type('exit 9\n')
    const { status, stdout } = await cli.end(60)
    expect(status).toBe(9)
    expect(stdout.toString()).toContain('modes restored')
    expect([cli.helpers(), cli.leftovers()]).toEqual([[], []])
  })
})
