import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { CommandError } from '../../src/driver/command.ts'
import { FileError } from '../../src/driver/guest-files.ts'
import { failure } from '../../src/driver/waits/wait.ts'
import { MachineError } from '../../src/machine/failure.ts'
import { printable, printableLine } from '../../src/util/printable.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { lowerdir } from '../support/vm-cli.ts'

/** Sets the clipboard (OSC 52), the title (OSC 0, also with C1), asks for a reply (DCS), clears the screen, overwrites, hides. */
const HOSTILE =
  '\u001B]52;c;cm0gLXJm\u0007\u001B]0;title\u001B\\\u009D0;title\u009C\u001BP$q"p\u001B\\\u001B[2J\u001Bc\r\u0008\u007F\u202Eevil'

/** What a terminal obeys. */
// oxlint-disable-next-line no-control-regex -- it looks for control characters
const OBEYED = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/

/** What a CI system obeys. */
const COMMAND = /^\s*::error|##\[|##vso\[/m

const CI =
  '\n::error file=x::no\n  ::add-mask::a\nx ##[group]y ##vso[task.setvariable variable=a]b\n'

describe('a text that is printed', () => {
  it('shows what a terminal would obey, and stays what it is otherwise', () => {
    expect(printable('\u001B]0;x\u0007 \u009B1m \u202E')).toBe(
      String.raw`\x1b]0;x\x07 \x9b1m \u202e`,
    )
    expect(printable('ä\t😀\r\nb ')).toBe('ä\t😀\nb ')
    expect(printableLine('a\nok  b')).toBe(String.raw`a\nok  b`)
  })

  it('shows what a CI system would obey, and stays what it is otherwise', () => {
    expect(printable('::error::a\n ::stop-commands::b')).toBe(':\\:error::a\n :\\:stop-commands::b')
    expect(printable('##[group]a ##vso[x]')).toBe('#\\#[group]a #\\#vso[x]')
    for (const text of ['::1', '::ffff:1.2.3.4', 'std::vector', '## heading [a]', '#[x]'])
      expect(printable(text)).toBe(text)
  })

  it('is the same when it is printed once more', () => {
    const once = printable(HOSTILE + CI)
    expect(printable(once)).toBe(once)
  })

  it('takes no longer where a guest has tried that', () => {
    const long = `::${'a'.repeat(1 << 20)}\n${'#'.repeat(1 << 20)}\n${' '.repeat(1 << 20)}`
    expect(printable(long)).toBe(long)
  })
})

describe('lowerdir test', () => {
  it('obeys nothing that a test prints, is called, skips for, or fails with', async () => {
    const folder = temporaryDirectory()
    writeFileSync(
      join(folder, 'a.vm.test.mjs'),
      `import { test, describe } from 'node:test'
       const HOSTILE = ${JSON.stringify(HOSTILE)}
       const CI = ${JSON.stringify(CI)}
       test('prints', () => { console.log(HOSTILE + CI); console.error(HOSTILE) })
       test('is called ' + HOSTILE + CI, () => {})
       describe('suite ' + HOSTILE, () => test('x', () => {}))
       test('skips', { skip: HOSTILE + CI }, () => {})
       test('says', (t) => t.diagnostic(HOSTILE))
       test('fails', () => {
         throw Object.assign(new Error(HOSTILE + CI), { console: 'a\\n' + HOSTILE })
       })`,
    )
    const { stdout, stderr } = await lowerdir(['test', '--verbose'], { cwd: folder })
    const text = `${stdout.toString()}${stderr}`
    expect(text).toMatch(/4 passed, 1 failed, 1 skipped\n$/)
    expect(text.match(OBEYED)).toBeNull()
    expect(text.match(COMMAND)).toBeNull()
    expect(text).toContain(String.raw`\x1b]52;c;cm0gLXJm\x07`)
    // A name cannot look like the next line.
    expect(text).toMatch(/^ok .*is called .*\\n:/m)
  })
})

describe('an error', () => {
  const failed = {
    machine: 'm',
    command: `echo ${HOSTILE}`,
    exitCode: 1,
    signal: null,
    stdout: HOSTILE + CI,
    stderr: HOSTILE,
    console: HOSTILE,
  }
  const waiter = { name: 'm', consoleTail: () => HOSTILE + CI }

  it.each<[string, Error]>([
    ['a command', new CommandError('exited with 1', failed)],
    ['a wait', failure(waiter, `the file ${HOSTILE}`, 'did not come', { details: HOSTILE + CI })],
    [
      'a file',
      new FileError({ machine: 'm', path: `/${HOSTILE}` }, 'cannot be read', HOSTILE + CI),
    ],
    ['a machine', new MachineError(`The guest's kernel panicked: ${HOSTILE}`, HOSTILE + CI)],
  ])('of %s can be printed by any test runner', (_what, error) => {
    expect(error.message.match(OBEYED)).toBeNull()
    expect(error.message.match(COMMAND)).toBeNull()
  })

  it('of a machine has the end of the console as it can be printed', () => {
    expect(new MachineError('It ended.', HOSTILE + CI).console.match(OBEYED)).toBeNull()
  })

  it('of a command still has the output as it was', () => {
    expect(new CommandError('exited with 1', failed).stdout).toBe(HOSTILE + CI)
  })
})

describe('what the command line says', () => {
  it.each<[string, readonly string[], Record<string, string>]>([
    ['a command that does not exist', [HOSTILE], {}],
    ['an option that does not exist', ['run', `--${HOSTILE}`], {}],
    ['a directory that does not exist', ['serve', `/no/${HOSTILE}`, '--listen=tcp:0'], {}],
    ['tests that do not exist', ['test', HOSTILE], {}],
    ['what is installed', ['doctor'], { LOWERDIR_QEMU: `/no/${HOSTILE}` }],
    ['a snapshot that does not exist', ['snapshot', 'remove', HOSTILE], {}],
  ])('about %s is obeyed by no terminal', async (_what, args, env) => {
    const { stdout, stderr } = await lowerdir(args, { env })
    const text = `${stdout.toString()}${stderr}`
    expect(text).toContain(String.raw`\x1b]52;c;`)
    expect(text.match(OBEYED)).toBeNull()
  })

  it('goes through one place', () => {
    const src = fileURLToPath(new URL('../../src', import.meta.url))
    const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.ts'),
    )
    const printing = files.filter((file) => {
      const code = readFileSync(join(src, file), 'utf8').replaceAll(/^\s*(?:\*|\/\*|\/\/).*$/gm, '')
      return /\bconsole\.(?:log|error|warn|info|debug)\(|process\.std(?:out|err)\.write/.test(code)
    })
    // The driver runs in the test's process, and progress.ts moves the cursor.
    expect(printing.toSorted()).toEqual(['cli/print.ts', 'cli/progress.ts', 'driver/terminal.ts'])
  })
})
