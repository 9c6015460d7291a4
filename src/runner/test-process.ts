import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { boundCommand, killGroup } from '../util/program.ts'
import { CHANNEL, type Line } from './line.ts'

/** How the process of a file of tests has ended. */
export interface ProcessEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** What to run. */
export interface ProcessOptions {
  /** The file, absolute. */
  readonly path: string
  /** Only tests whose name has this in it. */
  readonly only: string | undefined
  /** The folder for artifacts; undefined for none. */
  readonly artifacts: string | undefined
  /** What its environment has beside ours. */
  readonly env: Readonly<Record<string, string>>
}

/** What is told while it runs. */
export interface ProcessListener {
  onLine(line: Line): void
  /** What the tests print, on either stream. */
  onOutput(text: string): void
}

/** How long a process may take to clean up when it is asked to end, in milliseconds. */
const GRACE = 10_000

/** How long its streams may stay open after its end, in milliseconds: others may hold them. */
const DRAIN = 1000

/**
 * The process of one file of tests: Node with `node:test` in it, which runs the tests as the file is loaded. Not
 * `run()` of node:test, which tells neither whose process it is nor lets it have an environment of its own.
 */
export class TestProcess {
  readonly ended: Promise<ProcessEnd>
  readonly #child: ChildProcess
  #killTimer: NodeJS.Timeout | undefined

  constructor(options: ProcessOptions, listener: ProcessListener) {
    const [command, args] = boundCommand(process.execPath, nodeArguments(options))
    // In a session of its own: Ctrl-C on our terminal is ours to handle, and all that it starts can be
    // ended with it.
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

  /** Asks it to end, and ends it some time later, with everything that it has started. */
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

/** A pattern for Node's option that is this text and nothing else. */
function literalPattern(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
}

function environment({ artifacts, env }: ProcessOptions): NodeJS.ProcessEnv {
  // With it, Node would think that it is node:test's own `run()` that listens.
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
