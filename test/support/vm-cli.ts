import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'
import type { StagedCommand } from './vm-stage.ts'
import { StoodStill, within } from './within.ts'

const clone = fileURLToPath(new URL('../..', import.meta.url))

/** The built command line, relative to the clone. */
export const MAIN = 'dist/cli/main.js'

export const mainFile = join(clone, MAIN)

/** Seconds that one step of a running program may take. A busy machine needs a few of them. */
const STEP_SECONDS = 60

/** Seconds for a step in which a guest boots. */
export const BOOT_SECONDS = 240

/** The processes that were not disposed of, because their test took too long. */
const living = new Set<Cli>()

afterAll(async () => {
  for (const cli of living) await cli[Symbol.asyncDispose]()
})

export interface CliOptions {
  /** Bytes for standard input; without, it is at its end; null leaves it open. */
  readonly input?: string | Uint8Array | null
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  /** Descriptors that it inherits, as 3 and so on. */
  readonly inherits?: readonly number[]
}

/** How it ended: a signal is 128 + its number. */
export interface CliEnd {
  readonly status: number
  readonly stdout: Buffer
  readonly stderr: string
}

/** The command line as a child process, with a folder of its own for temporary files. */
export class Cli implements AsyncDisposable {
  readonly child: ChildProcess
  /** Where it keeps temporary files. */
  readonly folder: string
  readonly ended: Promise<CliEnd>
  stderr = ''
  readonly #stdout: Buffer[] = []
  readonly #own: string | undefined
  #tell: () => void = () => {}
  /** The first step that has stood still. */
  #stoodStill: StoodStill | undefined

  private constructor(argv: readonly string[], folder: string | undefined, options: CliOptions) {
    this.#own =
      folder === undefined ? realpathSync(mkdtempSync(join(tmpdir(), 'lowerdir-test-'))) : undefined
    this.folder = folder ?? this.#own ?? ''
    const { input, env, cwd = '/', inherits = [] } = options
    const [command = '', ...args] = argv
    this.child = spawn(command, args, {
      cwd,
      env: { ...process.env, XDG_RUNTIME_DIR: undefined, TMPDIR: this.folder, ...env },
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', ...inherits],
    })
    living.add(this)
    // A child that does not want its input is no mistake of the test's.
    this.child.stdin?.on('error', () => {})
    if (input !== null) this.child.stdin?.end(input)
    this.child.stdout?.on('data', (chunk: Buffer) => {
      this.#stdout.push(chunk)
      this.#tell()
    })
    this.child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.stderr += chunk
      this.#tell()
    })
    this.ended = new Promise((resolve, reject) => {
      this.child.once('error', reject)
      this.child.once('close', (code, signal) => {
        const status = code ?? 128 + constants.signals[signal ?? 'SIGKILL']
        resolve({ status, stdout: Buffer.concat(this.#stdout), stderr: this.stderr })
        this.#tell()
      })
    })
  }

  /** `lowerdir ARGS`, as the user who runs the tests. */
  static start(args: readonly string[], options: CliOptions = {}): Cli {
    return new Cli([process.execPath, mainFile, ...args], undefined, options)
  }

  /** A program of bin/, under its own name. */
  static program(name: string, args: readonly string[], options: CliOptions = {}): Cli {
    return new Cli([process.execPath, join(clone, 'bin', name), ...args], undefined, options)
  }

  /** `lowerdir ARGS`, which may have so many descriptors. */
  static limited(descriptors: number, args: readonly string[]): Cli {
    const shell = ['sh', '-c', `ulimit -n ${descriptors}; exec "$@"`, 'sh']
    return new Cli([...shell, process.execPath, mainFile, ...args], undefined, {})
  }

  /** A command whose TMPDIR is its user's. */
  static staged({ argv, env }: StagedCommand, options: CliOptions = {}): Cli {
    return new Cli(argv, env['TMPDIR'], { ...options, env: { ...env, ...options.env } })
  }

  get stdout(): string {
    return Buffer.concat(this.#stdout).toString()
  }

  /**
   * Resolves once it has printed `text`.
   *
   * @param seconds how long that may take: {@link BOOT_SECONDS} where a guest boots meanwhile.
   * @throws when it ends without the text, and when the time is over. After that every further step
   * of this process fails at once, so that the tests of a file wait for one time limit and not for
   * one each.
   */
  printed(text: string, seconds = STEP_SECONDS): Promise<void> {
    return this.#step(`it prints "${text}"`, seconds, this.#printed(text))
  }

  /**
   * Resolves once the process has ended, with all that it has printed.
   *
   * @param seconds how long that may take.
   * @throws as {@link printed}.
   */
  end(seconds = BOOT_SECONDS): Promise<CliEnd> {
    return this.#step('it ends', seconds, this.ended)
  }

  async #step<T>(what: string, seconds: number, step: Promise<T>): Promise<T> {
    if (this.#stoodStill) {
      step.catch(() => {})
      throw new Error(`not tried, since an earlier step stood still: ${what}`, {
        cause: this.#stoodStill,
      })
    }
    try {
      return await within(seconds, what, step, () => `${this.stdout}\n${this.stderr}`)
    } catch (error) {
      if (error instanceof StoodStill) this.#stoodStill = error
      throw error
    }
  }

  async #printed(text: string): Promise<void> {
    let over = false
    const end = this.ended.then(() => (over = true))
    while (!this.stdout.includes(text) && !this.stderr.includes(text)) {
      if (over) throw new Error(`it ended without "${text}":\n${this.stdout}\n${this.stderr}`)
      await Promise.race([end, new Promise<void>((resolve) => (this.#tell = resolve))])
    }
  }

  /** The processes that know its folder, itself and its reaper not among them: its QEMU. */
  helpers(): number[] {
    const reapers = this.reapers()
    const others = processesOf(this.folder).filter((pid) => pid !== this.child.pid)
    return others.filter((pid) => !reapers.includes(pid))
  }

  /** What clears up behind it when it cannot itself. */
  reapers(): number[] {
    return processesOf(`lowerdir-reaper\0${this.folder}`)
  }

  /** Files that it has left behind, relative to its folder. */
  leftovers(): string[] {
    return readdirSync(this.folder, { recursive: true, encoding: 'utf8' })
      .filter((path) => /^lowerdir-[^/]+\//.test(path))
      .toSorted()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    living.delete(this)
    this.child.kill('SIGKILL')
    await this.ended.catch(() => {})
    if (this.#own !== undefined) rmSync(this.#own, { recursive: true, force: true })
  }
}

/** Runs `lowerdir ARGS` to its end. */
export async function lowerdir(args: readonly string[], options?: CliOptions): Promise<CliEnd> {
  await using cli = Cli.start(args, options)
  return await cli.end()
}

/** The processes that have `path` on their command line. */
export function processesOf(path: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && commandLine(name).includes(path))
    .map(Number)
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
  } catch {
    return ''
  }
}
