import { readlinkSync } from 'node:fs'
import { resolve } from 'node:path'
import { isatty } from 'node:tty'
import { writeJunit } from '../report/junit.ts'
import { type TestRun, totalsOf } from '../report/results.ts'
import { writeReport } from '../report/write-report.ts'
import { OWN_FRAMES } from '../runner/describe-error.ts'
import { NoTestsError, findTestFiles } from '../runner/find-files.ts'
import { defaultJobs, runFiles } from '../runner/run-files.ts'
import { SHELL_ON_FAILURE, isShellWanted } from '../driver/failed-test.ts'
import { TERMINAL } from '../driver/terminal.ts'
import { command } from './command.ts'
import { UserError, explain } from './user-error.ts'
import { messageOf } from '../util/error.ts'
import { abortOnSignals } from './interrupt.ts'
import { RunArtifacts } from './run-artifacts.ts'
import { TestPrinter } from './test-printer.ts'
import { parseCount } from './values.ts'

/** How long a test may take, in seconds: as long as the longest wait of the driver. */
const TIMEOUT = 900

/** The longest time of a timer in Node, in seconds: 2^31 - 1 ms. */
const LONGEST = 2_147_483

export const test = command({
  summary: 'run tests that boot machines, and report what they did',
  usage: 'test [FILE|FOLDER…] [OPTION…]',
  options: {
    jobs: {
      type: 'string',
      value: 'NUMBER',
      help: 'how many files run at once (default: as many as CPUs and memory allow)',
    },
    timeout: {
      type: 'string',
      value: 'SECONDS',
      help: `end a file when one of its tests takes longer (default ${TIMEOUT})`,
    },
    only: { type: 'string', value: 'TEXT', help: 'run only tests whose name contains this' },
    report: { type: 'string', value: 'FILE', help: 'write what happened as one HTML file' },
    junit: { type: 'string', value: 'FILE', help: 'write the results as JUnit XML' },
    artifacts: {
      type: 'string',
      value: 'FOLDER',
      help: 'keep records, consoles and screenshots of machines whose test failed or was interrupted',
    },
    keep: { type: 'boolean', help: 'keep the artifacts of tests that passed as well' },
    'shell-on-failure': {
      type: 'boolean',
      help: 'open a shell in the machine of a test that has failed; one file at a time, without time limits',
    },
    verbose: { type: 'boolean', help: "show lowerdir's own frames in the stacks of failures too" },
  },
  notes: `Tests are written with node:test:

  import { test } from 'node:test'
  import { boot } from 'lowerdir'

  test('it boots', async (t) => {
    const vm = await boot({ root: '/', test: t })
    await vm.succeed('true')
  })

\`test: t\` ties a machine to the test: it ends with the test, and if the test fails, the artifacts get the machine's
journal and screen, and --shell-on-failure opens a shell in it.

Of a folder, the files *.vm.test.ts, .mts, .js and .mjs are run; without arguments, those of this folder. Types are
removed and not checked; TypeScript that is more than types, such as an enum, is an error. \`import 'lowerdir'\` also
works where the package is not installed. Each file runs in a process of its own, its tests one after the other.

$LOWERDIR_ARTIFACTS sets --artifacts, and $LOWERDIR_SHELL_ON_FAILURE sets --shell-on-failure. The exit status is 0 if
no test has failed, 1 if one has, 125 for a failure of lowerdir itself, and 128 + n after signal n (130 after Ctrl-C).
Tests that a signal interrupts count as interrupted, not as failed.`,

  async run(values, paths) {
    const shell = values['shell-on-failure'] === true || isShellWanted()
    const { jobs, timeout } = shell ? atLeisure(values) : limitsOf(values)
    const env = {
      ...(shell && shellEnvironment()),
      ...(values.verbose === true && { [OWN_FRAMES]: '1' }),
    }
    const files = find(paths.length === 0 ? ['.'] : paths)
    const signal = abortOnSignals()
    using artifacts = new RunArtifacts(values.artifacts, values.report !== undefined)
    using printer = new TestPrinter({ isMixed: jobs > 1 && files.length > 1, isStill: shell })
    const run = await runFiles(
      {
        files,
        jobs,
        only: values.only,
        timeout,
        signal,
        env,
        artifacts: artifacts.isWanted ? (name) => artifacts.folderFor(name) : undefined,
      },
      printer,
    )
    const problems = await inOrder(
      async () => {
        if (values.junit === undefined) return
        await write(values.junit, (file) => writeJunit(file, run))
      },
      async () => {
        const machines = await artifacts.read(run)
        try {
          const { report } = values
          if (report === undefined) return
          await write(report, (file) => writeReport(file, run, machines))
        } finally {
          if (values.keep !== true) artifacts.removePassed(run, machines)
        }
      },
    )
    printer.summary(run)
    signal.throwIfAborted()
    const [problem] = problems
    if (problems.length > 1) throw new UserError(problems.map(messageOf).join('\n'))
    if (problem !== undefined) throw problem
    return statusOf(run, values.only)
  },
})

/** Does several things one after the other, each whatever has become of those before it. Resolves with what they have thrown. */
async function inOrder(...steps: readonly (() => Promise<void>)[]): Promise<Error[]> {
  const problems: Error[] = []
  for (const step of steps) {
    const [result] = await Promise.allSettled([step()])
    if (result?.status === 'rejected') problems.push(result.reason as Error)
  }
  return problems
}

/** How many files run at once, and how long each of their tests may take, in milliseconds. */
interface Limits {
  readonly jobs: number
  readonly timeout: number | undefined
}

function limitsOf(values: { readonly jobs?: string; readonly timeout?: string }): Limits {
  const jobs = values.jobs === undefined ? defaultJobs() : parseCount('jobs', values.jobs, 1, 1000)
  const seconds = parseCount('timeout', values.timeout ?? String(TIMEOUT), 1, LONGEST)
  return { jobs, timeout: seconds * 1000 }
}

/** The limits with --shell-on-failure: one file at a time, since there is one terminal, and no time limit. */
function atLeisure(values: { readonly jobs?: string; readonly timeout?: string }): Limits {
  if (values.jobs === undefined && values.timeout === undefined)
    return { jobs: 1, timeout: undefined }
  throw new UserError(
    'With --shell-on-failure one file runs at a time, without a time limit: leave out --jobs and --timeout.',
  )
}

/**
 * What the process of a test file needs in its environment to give a shell where a test has failed: also where this
 * process's terminal is, since that process is in a session of its own and has no /dev/tty.
 *
 * @throws UserError when this process has no terminal.
 */
function shellEnvironment(): Readonly<Record<string, string>> {
  const descriptor = [0, 1, 2].find((each) => isatty(each))
  if (descriptor === undefined) {
    throw new UserError(
      '--shell-on-failure needs a terminal: one of standard input, output and error has to be one.',
    )
  }
  return { [SHELL_ON_FAILURE]: '1', [TERMINAL]: readlinkSync(`/proc/self/fd/${descriptor}`) }
}

function find(paths: readonly string[]): string[] {
  try {
    return findTestFiles(paths)
  } catch (error) {
    if (error instanceof NoTestsError) throw new UserError(error.message, { cause: error })
    throw explain('The tests cannot be listed', error)
  }
}

async function write(file: string, writeTo: (file: string) => Promise<void>): Promise<void> {
  try {
    await writeTo(resolve(file))
  } catch (error) {
    throw explain(`${file} cannot be written`, error)
  }
}

function statusOf(run: TestRun, only: string | undefined): number {
  const { passed, failed, skipped } = totalsOf(run.files)
  if (only !== undefined && passed + failed + skipped === 0) {
    throw new UserError(`--only ${only}: no test has this in its name.`)
  }
  return failed > 0 ? 1 : 0
}
