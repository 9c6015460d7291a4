import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { boundCommand, killGroup } from '../util/program.ts'
import { CHANNEL, type Line } from './line.ts'

/** How the process of a test file has ended. */
export interface ProcessEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** What to run. */
export interface ProcessOptions {
  /** The file, absolute. */
  readonly path: string
  /** Run only tests whose name contains this. */
  readonly only: string | undefined
  /** The folder for artifacts; undefined for none. */
  readonly artifacts: string | undefined
  /** Variables of its environment in addition to this process's. */
  readonly env: Readonly<Record<string, string>>
}

/** Gets what the process says while it runs. */
export interface ProcessListener {
  onLine(line: Line): void
  /** What the tests print, on standard output or error. */
  onOutput(text: string): void
}

/** How long a process may take to clean up when it is asked to end, in milliseconds. */
const GRACE = 10_000

/** How long to wait for the end of its streams after it has ended, in milliseconds: other processes may hold them. */
const DRAIN = 1000

/**
 * The process of one test file: Node with `node:test` in it, which runs the tests as the file is loaded. Not `run()` of
 * node:test, which neither gives access to the process nor lets it have an environment of its own.
 */
export class TestProcess {
  readonly ended: Promise<ProcessEnd>
  readonly #child: ChildProcess
  #killTimer: NodeJS.Timeout | undefined

  constructor(options: ProcessOptions, listener: ProcessListener) {
    const [command, args] = boundCommand(process.execPath, nodeArguments(options))
    // In a session of its own, so that Ctrl-C on the terminal reaches only this process, and a kill of its group
    // ends everything that the tests have started.
    this.#child = spawn(command, args, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      env: environment(options),
    })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => listener.onOutput(text))
    }
    createInterface({ input: this.#child.stdio[CHANNEL] as Readable }).on('line', (text) => {
      const line = parseLine(text)
      if (line !== undefined) listener.onLine(line)
    })
    this.ended = this.#whenEnded()
  }

  /** Asks it to end; after {@link GRACE} kills it and everything that it has started. */
  stop(): void {
    if (this.#killTimer !== undefined) return
    this.#child.kill('SIGTERM')
    this.#killTimer = setTimeout(() => killGroup(this.#child.pid, 'SIGKILL'), GRACE)
  }

  async #whenEnded(): Promise<ProcessEnd> {
    const child = this.#child
    const closed = new Promise((resolve) => {
      child.once('close', resolve)
    })
    const end = await new Promise<ProcessEnd>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code, signal) => resolve({ code, signal }))
    })
    clearTimeout(this.#killTimer)
    killGroup(child.pid, 'SIGKILL')
    const late = setTimeout(() => child.stdio.forEach((stream) => stream?.destroy()), DRAIN)
    await closed
    clearTimeout(late)
    return end
  }
}

function nodeArguments({ path, only }: ProcessOptions): string[] {
  const own = (name: string): string => new URL(name, import.meta.url).href
  return [
    `--import=${own('./preload.js')}`,
    `--test-reporter=${own('./reporter.js')}`,
    '--test-reporter-destination=stdout',
    ...(only === undefined ? [] : [`--test-name-pattern=${literalPattern(only)}`]),
    path,
  ]
}

/** A regular expression that matches exactly this text, for --test-name-pattern. */
function literalPattern(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
}

function environment({ artifacts, env }: ProcessOptions): NodeJS.ProcessEnv {
  // With NODE_TEST_CONTEXT, Node would write its results for the `run()` of a test runner above this one.
  const { NODE_TEST_CONTEXT: _context, LOWERDIR_ARTIFACTS: _artifacts, ...rest } = process.env
  return { ...rest, ...env, ...(artifacts !== undefined && { LOWERDIR_ARTIFACTS: artifacts }) }
}

/** Undefined for a line that is not whole, because its writer was killed. */
function parseLine(text: string): Line | undefined {
  try {
    return JSON.parse(text) as Line
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return undefined
  }
}
