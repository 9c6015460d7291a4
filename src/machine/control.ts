import { Readable } from 'node:stream'
import { ErrnoError, errno } from '../errno.ts'
import { quote } from '../guest/quote.ts'
import { Parked } from '../tree/parked.ts'
import { type SyntheticFile, constantFile, directory } from '../tree/synthetic/entry.ts'
import { SyntheticTree } from '../tree/synthetic/tree.ts'

/** A command under way in a guest. */
export interface GuestCommand {
  readonly stdout: Readable
  readonly stderr: Readable
  /** The exit status as a shell gives it: 128 + n for signal n. Rejects when the machine ends first. */
  readonly exitStatus: Promise<number>
}

/** A terminal's size in characters. */
export interface TerminalSize {
  readonly rows: number
  readonly columns: number
}

/** How many bytes of output wait here for somebody to read them before the guest has to. */
const OUTPUT_BUFFER = 1 << 20

interface Underway {
  fail(reason: Error): void
}

/**
 * The host's side of the guest's control channel: a 9P tree in which the guest's agent (guest/agent.ts)
 * reads what to do next and finds the files of each command.
 *
 *     next            blocks until there is something to do, then reads as a shell script
 *     commands/ID/
 *       start         what the worker is to do, as a shell script
 *       stdin         each open waits for bytes and gives out what there is; ENODATA at the end
 *       stdout        takes the output as it comes
 *       stderr
 *       status        takes the exit status
 */
export class Control {
  readonly tree: SyntheticTree
  /** Resolves when the agent asks for its first script. */
  readonly ready: Promise<void>
  readonly #commands = directory()
  readonly #scripts: string[] = []
  readonly #underway = new Map<string, Underway>()
  #waiting: Parked<Uint8Array> | undefined
  #markReady!: () => void
  #ended: Error | undefined
  #lastId = 0

  constructor() {
    this.ready = new Promise((resolve) => {
      this.#markReady = resolve
    })
    this.tree = new SyntheticTree(directory({ next: this.#nextFile(), commands: this.#commands }))
  }

  /** Lets the agent run a script of its own shell: short, and in the background if it takes time. */
  send(script: string): void {
    this.#scripts.push(script)
    this.#handOut()
  }

  /**
   * Starts a command with pipes of its own.
   *
   * @param script what busybox's shell runs in the guest's root; see guest/agent.ts.
   * @param stdin what the command reads; null for nothing.
   */
  run(script: string, stdin: Readable | null): GuestCommand {
    return this.#start(`run ${quote(script)}`, stdin)
  }

  /** Starts a command that has a terminal device of the guest for all its streams. */
  runOnTerminal(script: string, device: string, size: TerminalSize): Promise<number> {
    const start = `terminal ${device} ${size.rows} ${size.columns} ${quote(script)}`
    return this.#start(start, null).exitStatus
  }

  /** @param start what the guest's worker is to do for it. */
  #start(start: string, stdin: Readable | null): GuestCommand {
    const id = String(++this.#lastId)
    const stdout = new Output()
    const stderr = new Output()
    const input = new Input(stdin)
    const exitStatus = new Promise<number>((resolve, reject) => {
      if (this.#ended !== undefined) throw this.#ended
      const over = (): void => {
        this.#underway.delete(id)
        this.#commands.entries.delete(id)
        input.end()
      }
      this.#underway.set(id, {
        fail(reason) {
          over()
          stdout.destroy()
          stderr.destroy()
          reject(reason)
        },
      })
      const status = statusFile((value) => {
        over()
        resolve(value)
      })
      const files = {
        start: constantFile(() => Buffer.from(start)),
        stdin: input.file,
        stdout: stdout.file,
        stderr: stderr.file,
        status,
      }
      this.#commands.entries.set(id, directory(files))
    })
    this.send(`echo ${id}\n`)
    return { stdout, stderr, exitStatus }
  }

  /** The machine is gone: everything that waits for it fails with `reason`. */
  end(reason: Error): void {
    this.#ended ??= reason
    for (const command of this.#underway.values()) command.fail(this.#ended)
  }

  #nextFile(): SyntheticFile {
    return {
      kind: 'file',
      mode: 0o400,
      open: () => {
        let script: Uint8Array | undefined
        return {
          read: (offset, length) => {
            if (script !== undefined) return script.subarray(offset, offset + length)
            this.#markReady()
            const answer = new Parked<Uint8Array>(() => {
              this.#waiting = undefined
            })
            const first = answer.map((bytes) => {
              script = bytes
              return bytes.subarray(0, length)
            })
            this.#waiting = answer
            this.#handOut()
            return first
          },
        }
      },
    }
  }

  /** One script to an open; the agent's shell reads it piece by piece. */
  #handOut(): void {
    const waiting = this.#waiting
    if (waiting === undefined) return
    const script = this.#scripts.shift()
    if (script === undefined) return
    this.#waiting = undefined
    waiting.resolve(Buffer.from(script))
  }
}

/** Bytes from the guest. When nobody reads them, the guest's write waits. */
class Output extends Readable {
  readonly file: SyntheticFile
  #blocked: { readonly answer: Parked<number>; readonly count: number } | undefined

  constructor() {
    super({ highWaterMark: OUTPUT_BUFFER })
    this.file = {
      kind: 'file',
      mode: 0o200,
      open: () => ({
        write: (_offset, bytes) => this.#take(bytes),
        close: () => {
          this.push(null)
        },
      }),
    }
  }

  override _read(): void {
    const blocked = this.#blocked
    this.#blocked = undefined
    blocked?.answer.resolve(blocked.count)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#blocked?.answer.reject(new ErrnoError(errno.EPIPE, 'output'))
    this.#blocked = undefined
    done(error)
  }

  #take(bytes: Uint8Array): number | Parked<number> {
    if (this.destroyed) throw new ErrnoError(errno.EPIPE, 'output')
    if (this.push(Buffer.from(bytes))) return bytes.length
    const answer = new Parked<number>()
    this.#blocked = { answer, count: bytes.length }
    return answer
  }
}

/** Bytes for the guest, as they come. */
class Input {
  readonly file: SyntheticFile
  #stream: Readable | null
  #waiting: { readonly answer: Parked<Uint8Array>; readonly length: number } | undefined

  constructor(stream: Readable | null) {
    this.#stream = stream
    if (stream !== null) {
      stream.on('readable', this.#offer)
      stream.once('end', this.end)
      stream.once('error', this.end)
    }
    this.file = { kind: 'file', mode: 0o400, open: () => this.#open() }
  }

  /** No more bytes will come. */
  readonly end = (): void => {
    this.#stream?.off('readable', this.#offer)
    this.#stream = null
    this.#offer()
  }

  #open(): ReturnType<SyntheticFile['open']> {
    let hasGiven = false
    return {
      read: (_offset, length) => {
        // Whoever has something does not wait for more: the client would keep it until its buffer is full.
        if (hasGiven) return this.#take(length) ?? new Uint8Array()
        const answer = new Parked<Uint8Array>(() => {
          this.#waiting = undefined
        })
        const first = answer.map((bytes) => {
          hasGiven = true
          return bytes
        })
        this.#waiting = { answer, length }
        this.#offer()
        return first
      },
    }
  }

  /** Bytes that are here now; undefined when there are none, and then more are asked for. */
  #take(length: number): Uint8Array | undefined {
    if (this.#stream === null) return undefined
    const available = Math.min(this.#stream.readableLength, length)
    // To read nothing makes the stream fetch something; 'readable' then says so.
    const bytes = this.#stream.read(available) as Buffer | null
    return available > 0 && bytes !== null ? bytes : undefined
  }

  readonly #offer = (): void => {
    const waiting = this.#waiting
    if (waiting === undefined) return
    const bytes = this.#take(waiting.length)
    if (bytes !== undefined) {
      this.#waiting = undefined
      waiting.answer.resolve(bytes)
    } else if (this.#stream === null) {
      this.#waiting = undefined
      waiting.answer.reject(new ErrnoError(errno.ENODATA, 'stdin'))
    }
  }
}

function statusFile(done: (status: number) => void): SyntheticFile {
  return {
    kind: 'file',
    mode: 0o200,
    open: () => ({
      write(_offset, bytes) {
        const status = Number.parseInt(Buffer.from(bytes).toString('latin1'), 10)
        if (Number.isNaN(status)) throw new ErrnoError(errno.EINVAL, 'status')
        done(status & 0xff)
        return bytes.length
      },
    }),
  }
}
