import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { temporaryDirectory } from '../support/temporary.ts'
import { Cli, type CliEnd, type CliOptions, lowerdir, processesOf } from '../support/vm-cli.ts'

const recorder = new URL('../../dist/record/recorder.js', import.meta.url).href
const artifacts = new URL('../../dist/record/artifacts.js', import.meta.url).href

/** What a test does that boots a machine, without the machine: its record, into the folder of artifacts. */
const BOOT = `
  import { Recorder } from '${recorder}'
  import { Artifacts, artifactsRoot } from '${artifacts}'
  function boot(name: string): Recorder {
    const root = artifactsRoot()
    const recorder = new Recorder(root && Artifacts.create(root, name).path)
    recorder.event({ kind: 'machine', name, accelerator: 'tcg' })
    return recorder
  }`

/** A folder with these files in it. */
function project(files: Readonly<Record<string, string>>): string {
  const folder = temporaryDirectory()
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, dirname(path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return folder
}

/** A file of tests with this body. */
function tests(body: string): string {
  return `import { test, describe, it, before } from 'node:test'\n${body}`
}

async function run(
  files: Readonly<Record<string, string>>,
  args: readonly string[] = [],
  options: CliOptions = {},
): Promise<CliEnd & { readonly out: string; readonly folder: string }> {
  const folder = project(files)
  const end = await lowerdir(['test', ...args], { cwd: folder, ...options })
  return { ...end, out: end.stdout.toString(), folder }
}

describe('lowerdir test', () => {
  it('runs the tests of this folder, says how each went, and what there is to say', async () => {
    const { status, out, stderr } = await run({
      'a.vm.test.mjs': tests(`
        test('good', () => console.log('a word'))
        test('bad', () => { throw new Error('boo', { cause: new Error('inner') }) })
        describe('some', () => {
          it('left out', { skip: 'not today' }, () => {})
          it('to come', { todo: true }, () => { throw new Error('known') })
        })`),
      'sub/b.vm.test.mjs': tests(`test('fine', async (t) => { await t.test('inner', () => {}) })`),
      'other.test.mjs': `throw new Error('not mine')`,
    })
    expect([status, stderr]).toEqual([1, ''])
    expect(out).toMatch(/^ok +\d+ ms {2}a\.vm\.test\.mjs › good$/m)
    expect(out).toMatch(/a\.vm\.test\.mjs \| a word$/m)
    expect(out).toMatch(/^FAIL +\d+ ms {2}a\.vm\.test\.mjs › bad\n {6}Error: boo\n {10}at .*a\.vm/m)
    expect(out).toMatch(/^ {6}caused by: Error: inner$/m)
    expect(out).toMatch(/^skip +\d+ ms {2}a\.vm\.test\.mjs › some › left out: not today$/m)
    expect(out).toMatch(/^skip +\d+ ms {2}a\.vm\.test\.mjs › some › to come: to do$/m)
    expect(out).toMatch(/^ok +\d+ ms {2}sub\/b\.vm\.test\.mjs › fine › inner$/m)
    expect(out).toMatch(/\n\n3 passed, 1 failed, 2 skipped\n$/)
  })

  it('takes TypeScript and this package where nothing is installed', async () => {
    const { status, out } = await run({
      // As `npm init` has it.
      'package.json': '{ "type": "commonjs" }',
      'a.vm.test.ts': tests(`
        import { ErrnoError, type BootOptions } from 'lowerdir'
        import { Client } from 'lowerdir/9p'
        import { HostTree } from 'lowerdir/server'
        import { twice } from './helper.ts'
        test('works', () => {
          const options: BootOptions = {}
          for (const each of [ErrnoError, Client, HostTree]) if (typeof each !== 'function') throw options
          if (twice(2 as number) !== 4) throw new Error('not twice')
        })
        test('fails', () => { throw new Error('here') })`),
      'helper.ts': 'export function twice(n: number): number { return 2 * n }',
    })
    expect(out).toMatch(/1 passed, 1 failed\n$/)
    expect(status).toBe(1)
    // Where it stands in the source.
    expect(out).toMatch(/a\.vm\.test\.ts:12:/)
  })

  it('prefers a lowerdir that is installed beside the tests', async () => {
    const { status, out } = await run({
      'node_modules/lowerdir/package.json': '{ "name": "lowerdir", "main": "x.js" }',
      'node_modules/lowerdir/x.js': 'exports.mine = 1',
      'a.vm.test.mjs': tests(`
        import { mine } from 'lowerdir'
        test('works', () => { if (mine !== 1) throw new Error('another') })`),
    })
    expect([status, out]).toEqual([0, expect.stringContaining('1 passed')])
  })

  it('runs what --only names and counts nothing else', async () => {
    const files = {
      'a.vm.test.mjs': tests(`
        test('one (x)', () => {})
        test('two', () => { throw new Error('not asked') })`),
      'b.vm.test.mjs': tests(`test('three', () => { throw new Error('not asked') })`),
    }
    const { status, out } = await run(files, ['--only', 'one (x)'])
    expect([status, out]).toEqual([
      0,
      expect.stringMatching(/^ok .*one \(x\)\n\n1 passed, 0 failed\n$/),
    ])

    const none = await run(files, ['--only', 'one .x.'])
    expect(none.status).toBe(125)
    expect(none.stderr).toBe('lowerdir: --only one .x.: no test has this in its name.\n')
  })

  it('with --jobs 2 runs two files together', async () => {
    const meet = (mine: string, other: string): string =>
      tests(`
        import { existsSync, writeFileSync } from 'node:fs'
        import { setTimeout as sleep } from 'node:timers/promises'
        writeFileSync('${mine}', '')
        test('meets', async () => { while (!existsSync('${other}')) await sleep(20) })`)
    const files = { 'a.vm.test.mjs': meet('a', 'b'), 'b.vm.test.mjs': meet('b', 'a') }
    const { out } = await run(files, ['--jobs', '2', '--timeout', '100'])
    expect(out).toMatch(/2 passed, 0 failed\n$/)
  })

  it('with --jobs 1 runs one file after the other', async () => {
    // A process that would have started with the test's own is there before some that the test starts.
    const alone = (mine: string): string =>
      tests(`
        import { spawnSync } from 'node:child_process'
        import { appendFileSync } from 'node:fs'
        appendFileSync('order', '${mine} begins\\n')
        test('is alone', () => {
          for (let i = 0; i < 5; i++) spawnSync(process.execPath, ['--import=node:test', '-e', ''])
        })
        process.on('exit', () => appendFileSync('order', '${mine} ends\\n'))`)
    const files = { 'a.vm.test.mjs': alone('a'), 'b.vm.test.mjs': alone('b') }
    const { out, folder } = await run(files, ['--jobs', '1'])
    expect(out).toMatch(/2 passed, 0 failed\n$/)
    expect(readFileSync(join(folder, 'order'), 'utf8')).toBe('a begins\na ends\nb begins\nb ends\n')
  })

  it.each([
    ['a suite’s', `describe('s', (s) => { it('x', () => boot({ test: s })) })`, 'cannot end'],
    [
      'one’s that is over',
      `let old; test('a', (t) => { old = t })\ntest('x', () => boot({ test: old }))`,
      'The test "a" is over',
    ],
  ])('does not let a machine be %s', async (_whose, body, expected) => {
    const { out } = await run({ 'a.vm.test.ts': tests(`import { boot } from 'lowerdir'\n${body}`) })
    expect(out).toMatch(new RegExp(`› x\\n +(Type)?Error: .*${expected}`))
  })

  it('needs tests', async () => {
    const { status, stderr } = await run({ 'a.test.mjs': '' })
    expect(status).toBe(125)
    expect(stderr).toMatch(
      /^lowerdir: There are no tests in this folder: no file is called \*\.vm\.test\.ts/,
    )
  })

  it('shows the line of the test that failed first, and its own frames with --verbose', async () => {
    const files = {
      'a.vm.test.mjs': tests(`
        import { boot } from 'lowerdir'
        test('boots', async (t) => { await boot({ root: '/no/such', test: t }) })`),
    }
    const { out } = await run(files)
    expect(out).toMatch(/\n +ErrnoError: .*\n +at .*a\.vm\.test\.mjs:4:/)
    expect(out).not.toContain('/dist/')
    expect((await run(files, ['--verbose'])).out).toMatch(/\n +ErrnoError: .*\n +at .*\/dist\//)
  })

  it('needs a terminal for --shell-on-failure, and has no limits then', async () => {
    const files = { 'a.vm.test.mjs': tests(`test('x', () => {})`) }
    const none = await run(files, ['--shell-on-failure'])
    expect([none.status, none.out]).toEqual([125, ''])
    expect(none.stderr).toMatch(/^lowerdir: --shell-on-failure needs a terminal/)

    const both = await run(files, ['--jobs=2'], { env: { LOWERDIR_SHELL_ON_FAILURE: '1' } })
    expect(both.status).toBe(125)
    expect(both.stderr).toMatch(/^lowerdir: With --shell-on-failure one file .* leave out --jobs/)
  })

  it.each([
    ['does not compile', 'const = 1', /it ended with \d, outside of its tests\n[^]*SyntaxError/],
    ['has no tests', 'console.log(1)', /it has no tests/],
    ['imports what is not there', `import './nothing.js'`, /Cannot find module/],
    [
      'fails in a hook',
      `before(() => { throw new Error('hook') })\ntest('x', () => {})`,
      /Error: hook/,
    ],
    ['rejects unheard', `test('x', () => { Promise.reject(new Error('lost')) })`, /Error: lost/],
  ])('fails when a file %s', async (_name, body, expected) => {
    const { status, out } = await run({ 'a.vm.test.ts': tests(body) })
    expect(status).toBe(1)
    expect(out).toMatch(expected)
    expect(out).toMatch(/ [1-9]\d* failed\n$/)
  })

  // Node 24 has `await using`.
  it.runIf(Number(process.versions.node.split('.')[0]) < 24)(
    'says what to write instead of `await using`',
    async () => {
      const body = `test('x', async () => {\n  await using vm = await boot()\n})`
      const { status, out } = await run({ 'a.vm.test.ts': tests(body) })
      expect(status).toBe(1)
      expect(out).toMatch(
        /^ +`await using` needs Node\.js 24, and this is v2\d\..* Use `boot\({ …, test: t }\)`/m,
      )
    },
  )

  it('reports the tests that ran as failed when their process dies', async () => {
    const { status, out } = await run({
      'a.vm.test.mjs': tests(`
        test('first', () => {})
        describe('suite', () => {
          it('dies', () => { console.log('last words'); process.kill(process.pid, 'SIGKILL') })
          it('never runs', () => {})
        })`),
      'b.vm.test.mjs': tests(`test('exits', () => process.exit(0))`),
    })
    expect(status).toBe(1)
    expect(out).toMatch(
      /FAIL.*suite › dies\n +its process was ended by SIGKILL in the middle of it\n +last words/,
    )
    expect(out).toMatch(/FAIL.*exits\n +its process ended with 0 in the middle of it/)
    expect(out).toMatch(/1 passed, 2 failed\n$/)
  })
})

it('is not confused by tests of one file that run at the same time', async () => {
  const { status, out } = await run({
    'a.vm.test.mjs': tests(`
      import { setTimeout as sleep } from 'node:timers/promises'
      describe('all', { concurrency: true }, () => {
        for (const name of ['a', 'b', 'c', 'd']) {
          it(name, async (t) => {
            await sleep(Math.random() * 50)
            for (const inner of ['x', 'x', name]) await t.test(inner, () => sleep(Math.random() * 50))
          })
        }
        it('quick', () => {})
      })`),
  })
  expect(out).toMatch(/^ok .* all › c › x$/m)
  expect([status, out]).toEqual([0, expect.stringMatching(/17 passed, 0 failed\n$/)])
})

type Run = Awaited<ReturnType<typeof run>>

/**
 * Runs a file with `--timeout`. Where the machine is too busy for that timeout, it runs again with a longer one.
 *
 * @param body with a timeout in seconds.
 * @param hadTime by default, whether the process has come to its tests.
 */
async function runLimited(
  body: (timeout: number) => string,
  hadTime = ({ out }: Run): boolean => !out.includes('it started no test'),
): Promise<Run & { readonly timeout: number }> {
  const attempt = async (timeout: number): Promise<Run & { readonly timeout: number }> => {
    const files = { 'a.vm.test.mjs': tests(body(timeout)) }
    return { ...(await run(files, ['--timeout', `${timeout}`])), timeout }
  }
  for (const timeout of [1, 5, 25]) {
    const end = await attempt(timeout)
    if (hadTime(end)) return end
  }
  return attempt(100)
}

describe('a test that takes too long', () => {
  it.each([
    ['waits', 'await new Promise(() => setInterval(() => {}, 1000))'],
    ['is busy', 'for (;;) {}'],
  ])('and %s is ended with its file', async (_name, body) => {
    const { status, out, timeout } = await runLimited(
      () => `test('quick', () => {})\ntest('slow', async () => { ${body} })`,
    )
    expect(status).toBe(1)
    expect(out).toMatch(new RegExp(`FAIL.* › slow\n +it took longer than ${timeout} seconds`))
    expect(out).toMatch(/1 passed, 1 failed\n$/)
  })

  it('is distinguished from a file that does not end', async () => {
    const { status, out, timeout } = await runLimited(
      () => `setInterval(() => {}, 1000)\ntest('quick', () => {})`,
    )
    expect(status).toBe(1)
    const late = `it is still running ${timeout} seconds after`
    expect(out).toMatch(new RegExp(`FAIL.*a\\.vm\\.test\\.mjs\n +${late}`))
  })

  it('is not one that has many quick tests', async () => {
    // Each takes a quarter of the limit, and all of them more than it.
    const { status, out } = await runLimited(
      (timeout) => `
        import { setTimeout as sleep } from 'node:timers/promises'
        for (let i = 0; i < 6; i += 1) test('t' + i, () => sleep(${timeout * 250}))`,
      (end) => end.status === 0,
    )
    expect([status, out]).toEqual([0, expect.stringContaining('6 passed')])
  })
})

describe('what is written', () => {
  const files = {
    'a.vm.test.ts': tests(`${BOOT}
      test('good', () => { boot('calm') })
      test('bad', () => {
        boot('server').command({ text: 'curl' }).end({ exitCode: 7 })
        boot('server')
        throw new Error('</script> boo')
      })`),
    'b.vm.test.ts': tests(`${BOOT}
      before(() => { boot('shared') })
      test('fine', () => {})`),
  }

  it('are the results as XML and as a page, and the artifacts of what failed', async () => {
    const { status, folder } = await run(files, [
      '--junit=out/junit.xml',
      '--report=out/report.html',
      '--artifacts=kept',
    ])
    expect(status).toBe(1)
    const xml = readFileSync(join(folder, 'out/junit.xml'), 'utf8')
    expect(xml).toContain('<testsuites tests="3" failures="1"')
    expect(xml).toContain('message="&lt;/script&gt; boo"')
    const page = readFileSync(join(folder, 'out/report.html'), 'utf8')
    // Each is a tab of its test's page, in the order in which they were made.
    const tabs = page.matchAll(/aria-controls="(t\d+)-machines-panel\d+"[^>]*>\s*(\w+)/g)
    expect([...tabs].map(([, test, name]) => `${test} ${name}`)).toEqual([
      't1 server',
      't1 server',
      't2 calm',
      't4 shared',
    ])
    const kept = readdirSync(join(folder, 'kept'), { recursive: true, encoding: 'utf8' })
    expect(kept.toSorted()).toEqual([
      'a.vm.test.ts',
      'a.vm.test.ts/server',
      'a.vm.test.ts/server-2',
      'a.vm.test.ts/server-2/events.jsonl',
      'a.vm.test.ts/server/events.jsonl',
    ])
  })

  it('are the artifacts of everything with --keep', async () => {
    const args = ['--keep']
    const { folder } = await run(files, args, { env: { LOWERDIR_ARTIFACTS: 'kept' } })
    const machines = ['a.vm.test.ts', 'b.vm.test.ts'].flatMap((name) =>
      readdirSync(join(folder, 'kept', name)),
    )
    expect(machines.toSorted()).toEqual(['calm', 'server', 'server-2', 'shared'])
  })

  it('are not the artifacts for a report: these are removed with it', async () => {
    const folder = project(files)
    await using cli = Cli.start(['test', '--report=report.html'], { cwd: folder })
    await cli.ended
    expect(readFileSync(join(folder, 'report.html'), 'utf8')).toContain('shared')
    expect(cli.leftovers()).toEqual([])
  })

  it('are no files unless they are wanted', async () => {
    const { folder } = await run({
      'a.vm.test.ts': tests(`${BOOT}\ntest('x', () => { boot('m') })`),
    })
    expect(readdirSync(folder)).toEqual(['a.vm.test.ts'])
  })

  it('need a path that can be written', async () => {
    const { status, stderr } = await run(files, ['--junit=a.vm.test.ts/junit.xml'])
    expect(status).toBe(125)
    expect(stderr).toMatch(/^lowerdir: a\.vm\.test\.ts\/junit\.xml cannot be written: /)
  })
})

describe('when it is ended', () => {
  const patient = (onTerm: string): string =>
    tests(`
      import { writeFileSync } from 'node:fs'
      process.on('SIGTERM', () => { ${onTerm} })
      test('quick', () => {})
      test('waits', async () => {
        // Its reporter has told by then that this test has begun.
        setImmediate(() => console.log('waiting'))
        await new Promise(() => setInterval(() => {}, 1000))
      })`)
  const other = { 'b.vm.test.mjs': tests(`test('later', () => console.log('has run'))`) }

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('by %s its tests clean up, and it says what there was', async (signal, expected) => {
    const folder = project({
      'a.vm.test.mjs': patient(`writeFileSync('cleaned', ''); process.exit(0)`),
      ...other,
    })
    const args = ['test', '--jobs=1', '--junit=junit.xml', '--report=report.html']
    await using cli = Cli.start(args, { cwd: folder })
    await cli.printed('waiting')
    cli.child.kill(signal)
    const { status, stdout, stderr } = await cli.ended
    expect([status, stderr]).toEqual([expected, ''])
    expect(stdout.toString()).toMatch(new RegExp(`^stop +\\d.* › waits: ended by ${signal}$`, 'm'))
    expect(stdout.toString()).toMatch(
      /Interrupted\. Files: 0 ended, 1 stopped, 1 not started\.\n\n1 passed, 0 failed, 1 interrupted\n$/,
    )
    expect(stdout.toString()).not.toContain('has run')
    expect(existsSync(join(folder, 'cleaned'))).toBe(true)
    expect(readFileSync(join(folder, 'report.html'), 'utf8')).toContain(
      'Interrupted. Files: 0 ended',
    )
    expect(readFileSync(join(folder, 'junit.xml'), 'utf8')).toContain(
      'tests="2" failures="0" errors="1"',
    )
    expect(processesOf(folder)).toEqual([])
    expect(cli.leftovers()).toEqual([])
  })

  it('a failure that its tests tell meanwhile is no failure, and their artifacts stay', async () => {
    const folder = project({
      'a.vm.test.ts': tests(`${BOOT}
        test('waits', async () => {
          boot('busy')
          console.log('waiting')
          const alive = setInterval(() => {}, 1000)
          await new Promise((_, reject) => {
            process.on('SIGTERM', () => { clearInterval(alive); reject(new Error('it is closed')) })
          })
        })`),
      'b.vm.test.mjs': tests(`test('quick', () => {})`),
    })
    await using cli = Cli.start(
      ['test', '--jobs=1', '--artifacts=kept', 'b.vm.test.mjs', 'a.vm.test.ts'],
      {
        cwd: folder,
      },
    )
    await cli.printed('waiting')
    cli.child.kill('SIGINT')
    const { status, stdout } = await cli.ended
    expect(status).toBe(130)
    expect(stdout.toString()).toMatch(/^stop .*a\.vm\.test\.ts › waits: ended by SIGINT$/m)
    expect(stdout.toString()).toMatch(
      /Files: 1 ended, 1 stopped, 0 not started\.\n\n1 passed, 0 failed, 1 interrupted\n$/,
    )
    expect(readdirSync(join(folder, 'kept/a.vm.test.ts'))).toEqual(['busy'])
  })

  it('tests that do not end by themselves are killed after a while, with all that they started', async () => {
    const folder = project({
      'a.vm.test.mjs': `
        import { spawn } from 'node:child_process'
        import { fileURLToPath } from 'node:url'
        if (process.argv[2] === undefined) {
          spawn(process.execPath, [fileURLToPath(import.meta.url), 'child'], { stdio: 'inherit' })
        }
        ${patient('')}`,
    })
    await using cli = Cli.start(['test'], { cwd: folder })
    await cli.printed('waiting')
    expect(processesOf(folder).length).toBeGreaterThanOrEqual(2)
    cli.child.kill('SIGINT')
    const { status } = await cli.ended
    expect(status).toBe(130)
    expect(processesOf(folder)).toEqual([])
  })

  it('by SIGKILL no process of its tests is left', async () => {
    const folder = project({ 'a.vm.test.mjs': patient('') })
    await using cli = Cli.start(['test'], { cwd: folder })
    await cli.printed('waiting')
    expect(processesOf(folder)).toHaveLength(1)
    cli.child.kill('SIGKILL')
    await expect.poll(() => processesOf(folder)).toEqual([])
  })
})

it('is not misled by a test runner above it', async () => {
  const files = { 'a.vm.test.mjs': tests(`test('x', () => {})`) }
  const { out } = await run(files, [], { env: { NODE_TEST_CONTEXT: 'child-v8' } })
  expect(out).toMatch(/1 passed, 0 failed\n$/)
  expect(fileURLToPath(recorder)).toContain('dist')
})
