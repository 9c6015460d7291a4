import { resolve } from 'node:path'
import { writeJunit } from '../report/junit.ts'
import { type TestRun, totalsOf } from '../report/results.ts'
import { writeReport } from '../report/write-report.ts'
import { NoTestsError, findTestFiles } from '../runner/find-files.ts'
import { defaultJobs } from '../runner/jobs.ts'
import { runFiles } from '../runner/run-files.ts'
import { isShellWanted } from '../driver/failed-test.ts'
import { command } from './command.ts'
import { UserError, explain } from './user-error.ts'
import { abortOnSignals } from './interrupt.ts'
import { RunArtifacts } from './run-artifacts.ts'
import { shellEnvironment } from './shell-on-failure.ts'
import { TestPrinter } from './test-printer.ts'
import { parseCount } from './values.ts'

/** Seconds that a test may take, as long as the driver's own waits do. */
const TIMEOUT = 900

/** The longest time that a timer of Node's can have, in seconds. */
const LONGEST = 2_147_483

export const test = command({
  summary: 'run tests that boot machines, and report what they did',
  usage: 'test [FILE|FOLDER…] [OPTION…]',
  options: {
    jobs: {
      type: 'string',
      value: 'NUMBER',
      help: 'how many files run at once (default: as processors and memory allow)',
    },
    timeout: {
      type: 'string',
      value: 'SECONDS',
      help: `end a file when one of its tests takes longer (default ${TIMEOUT})`,
    },
    only: { type: 'string', value: 'TEXT', help: 'only tests whose name has this in it' },
    report: { type: 'string', value: 'FILE', help: 'write what happened as one HTML file' },
    junit: { type: 'string', value: 'FILE', help: "write the results as JUnit's XML" },
    artifacts: {
      type: 'string',
      value: 'FOLDER',
      help: 'keep records, consoles and screenshots of machines whose test failed',
    },
    keep: { type: 'boolean', help: 'keep the artifacts of tests that passed as well' },
    'shell-on-failure': {
      type: 'boolean',
      help: 'where a test has failed, give you a shell in its machine; one file at a time, without time limits',
    },
  },
  notes: `Tests are written with node:test:

  import { test } from 'node:test'
  import { boot } from 'lowerdir'

  test('it boots', async (t) => {
    const vm = await boot({ root: '/', test: t })
    await vm.succeed('true')
  })

With \`test: t\` a machine is the test's own: it ends with the test, and if that has failed, its journal and screen are
kept among the artifacts, and --shell-on-failure leads to it.

In a folder, the files called *.vm.test.ts, .mts, .js or .mjs are run; without arguments, those here. Types are
left out and not checked; what is more than types, such as an enum, is an error. \`import 'lowerdir'\` works where
nothing is installed, too. Each file runs in a process of its own, its tests one after the other.

$LOWERDIR_ARTIFACTS is the same as --artifacts, $LOWERDIR_SHELL_ON_FAILURE as --shell-on-failure. The exit status is 0
when nothing has failed.`,

  async run(values, paths) {
    const shell = values['shell-on-failure'] === true || isShellWanted()
    const { jobs, timeout } = shell ? atLeisure(values) : limitsOf(values)
    const env = shell ? shellEnvironment() : {}
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
    const machines = await artifacts.read(run)
    if (values.junit !== undefined) {
      await write(values.junit, (file) => writeJunit(file, run))
    }
    if (values.report !== undefined) {
      await write(values.report, (file) => writeReport(file, run, machines))
    }
    if (values.keep !== true) artifacts.removePassed(run, machines)
    printer.summary(run)
    signal.throwIfAborted()
    return statusOf(run, values.only)
  },
})

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

/** Those of somebody who looks into machines: there is one terminal, and people take their time. */
function atLeisure(values: { readonly jobs?: string; readonly timeout?: string }): Limits {
  if (values.jobs === undefined && values.timeout === undefined)
    return { jobs: 1, timeout: undefined }
  throw new UserError(
    'With --shell-on-failure one file runs at a time, and takes as long as it wants: leave out --jobs and --timeout.',
  )
}

function find(paths: readonly string[]): string[] {
  try {
    return findTestFiles(paths)
  } catch (error) {
    if (error instanceof NoTestsError) throw new UserError(error.message, { cause: error })
    throw explain('Tests cannot be looked for', error)
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
