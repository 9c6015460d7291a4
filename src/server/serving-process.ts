import { type ChildProcess, spawn } from 'node:child_process'
import { Duplex, type Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { messageOf } from '../util/error.ts'
import { LARGE_MESSAGE_MAX, MESSAGE_MAX, MessageFrames, frameOf } from './message-frames.ts'
import {
  type EngineCommand,
  type EngineMessage,
  type EngineStart,
  type Passing,
  engineMessage,
} from './share.ts'
import { CHANNEL_FD } from './starter-channel.ts'

/** How long a process may take to close its files before it is killed, in milliseconds. */
const GRACE = 2000

/**
 * How long a killed process may take to end, in milliseconds. One that waits for a file system that hangs ends when that
 * file system answers, and this process does not wait so long.
 */
const LEAVE_AFTER = 1000

/** How much of its standard error is kept, in characters: the reason is in the last lines. */
const COMPLAINT_MAX = 2000

/** How many characters of its directories' names are among its arguments. */
const NAMES_MAX = 200

/**
 * Node's arguments for a process that serves.
 *
 * - One V8 thread instead of four: what it compiles and collects is little.
 * - Requests allocate little that lives long, and V8 would let its young generation grow to 3 × 16 MB. The number is a third
 *   of what it may have, in MB.
 * - Older releases of Node warn of main.cts's require().
 */
const PROGRAM: readonly string[] = [
  '--v8-pool-size=1',
  '--max-semi-space-size=4',
  '--disable-warning=ExperimentalWarning',
  fileURLToPath(new URL('main.cjs', import.meta.url)),
]

/** What a {@link ServingProcess} needs of the engine whose process it is. */
export interface ServingEvents {
  message(message: EngineMessage): void
  /** Whether a message with saved sessions may come now. */
  readonly awaitsLarge: boolean
  /** It has ended. @param failure why it could not start, or has ended without being told to. */
  ended(failure: Error | undefined): void
  /** It does not end, although it was killed, because it waits for a file system that hangs. */
  leftBehind(): void
}

/** A process that serves, from the side of its starter, which owns it. */
export class ServingProcess {
  /** Its number; undefined where it could not be started. */
  readonly pid: number | undefined
  readonly #child: ChildProcess
  readonly #channel: Duplex | undefined
  readonly #events: ServingEvents
  #complaint = ''
  #failure: Error | undefined
  #isEnding = false
  #isOver = false
  /** The next step to its end. */
  #timer: NodeJS.Timeout | undefined

  /**
   * Starts a process. It gets copies of the listening sockets; the starter keeps its own.
   *
   * @param start what it serves, with this process's descriptors of the sockets.
   * @param program Node's arguments, for tests and measurements.
   * @throws spawn's error. Those that come later are the failure of its end.
   */
  constructor(
    { served, sockets, passing }: EngineStart,
    events: ServingEvents,
    program: readonly string[] = PROGRAM,
  ) {
    this.#events = events
    // Its directories are there for readers of ps(1) alone.
    const names =
      passing?.kind === 'router'
        ? 'router'
        : served.exports.map(({ directory }) => directory).join(' ')
    const fds = [...sockets.map(({ fd }) => fd), ...descriptorsOf(passing)]
    this.#child = spawn(process.execPath, [...program, names.slice(0, NAMES_MAX)], {
      // Nothing of this process's environment: NODE_OPTIONS would change the child, and secrets are none of its business.
      env: {},
      // A session of its own: Ctrl-C on our terminal must reach this process alone.
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'pipe', ...fds],
    })
    this.pid = this.#child.pid
    this.#channel = this.#openChannel()
    this.#follow()
    const first = CHANNEL_FD + 1
    this.#write({
      served,
      sockets: sockets.map((socket, i) => ({ ...socket, fd: first + i })),
      passing: passing && withDescriptors(passing, first + sockets.length),
    } satisfies EngineStart)
  }

  /** Sends a command. Nothing happens if the process has ended. */
  send(command: EngineCommand): void {
    this.#write(command)
  }

  /** Asks it to end, and kills it when it does not. */
  end(): void {
    if (this.#isEnding || this.#isOver) return
    this.#isEnding = true
    this.#write('stop' satisfies EngineCommand)
    this.#timer = setTimeout(() => this.kill(), GRACE)
  }

  /** Ends it at once. */
  kill(): void {
    if (this.#isOver) return
    this.#child.kill('SIGKILL')
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#leaveBehind(), LEAVE_AFTER)
  }

  /** The end of the child's socket that is here; undefined where there is no child. */
  #openChannel(): Duplex | undefined {
    // With too few descriptors for a child, Node makes none of its streams.
    const stdio = this.#child.stdio as ChildProcess['stdio'] | undefined
    const channel = stdio?.[CHANNEL_FD]
    return channel instanceof Duplex ? channel : undefined
  }

  #follow(): void {
    const child = this.#child
    const stderr = child.stderr as Readable | null | undefined
    stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint = (this.#complaint + text).slice(-COMPLAINT_MAX)
    })
    child.on('error', (error) => {
      // Also when a signal could not be sent. Then the process has ended, and 'close' follows.
      if (child.pid !== undefined) return
      this.#failure ??= new Error(`could not be started: ${error.message}`, { cause: error })
      this.#settle()
    })
    child.once('close', (code, signal) => {
      if (!this.#isEnding) this.#failure ??= this.#unasked(code, signal)
      this.#settle()
    })
    const frames = new MessageFrames(() =>
      this.#events.awaitsLarge ? LARGE_MESSAGE_MAX : MESSAGE_MAX,
    )
    this.#channel?.on('data', (piece: Buffer) => this.#take(frames, piece))
    // 'close' tells that the child is gone.
    this.#channel?.on('error', () => {})
  }

  #take(frames: MessageFrames, piece: Buffer): void {
    // Nothing counts any more after it has sent what it must not.
    if (this.#failure !== undefined) return
    let messages: EngineMessage[] = []
    try {
      messages = frames.push(piece).map(engineMessage)
    } catch (error) {
      // It is not trusted to serve either.
      this.#failure = new Error(`was ended: ${messageOf(error)}`, { cause: error })
      this.kill()
    }
    for (const message of messages) this.#events.message(message)
  }

  #write(message: EngineStart | EngineCommand): void {
    if (this.#channel?.writable === true) this.#channel.write(frameOf(message))
  }

  #unasked(code: number | null, signal: NodeJS.Signals | null): Error {
    const how = signal === null ? `with status ${code}` : `by ${signal}`
    const why = this.#complaint.trim()
    return new Error(`has ended by itself, ${how}${why === '' ? '' : `: ${why}`}`)
  }

  #leaveBehind(): void {
    this.#events.leftBehind()
    this.#child.unref()
    this.#channel?.destroy()
    this.#child.stderr?.destroy()
    this.#settle()
  }

  #settle(): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#events.ended(this.#failure)
  }
}

function descriptorsOf(passing: Passing | undefined): readonly number[] {
  if (passing === undefined) return []
  return passing.kind === 'export' ? [passing.fd] : passing.routes.map(({ fd }) => fd)
}

/** The same with the descriptors that the process has from `first` on. */
function withDescriptors(passing: Passing, first: number): Passing {
  if (passing.kind === 'export') return { ...passing, fd: first }
  return { ...passing, routes: passing.routes.map((route, i) => ({ ...route, fd: first + i })) }
}
