import { Readable } from 'node:stream'
import {
  type SyntheticDirectory,
  type SyntheticFile,
  type SyntheticHandle,
  constantFile,
  directory,
} from '../../tree/synthetic/entry.ts'
import { type Ending, EndingScanner } from './ending.ts'
import { Input } from './input.ts'
import { OnceFile } from './once-file.ts'
import { Output } from './output.ts'

/** What a slot tells whoever has it. */
export interface SlotEvents {
  /** Its state is another. */
  onChange(): void
  /** Nobody in the guest has its files any more; `command` was running, and nothing was said of its end. */
  onClosed(command: SlotCommand | undefined): void
}

/** A command for a slot. */
export interface SlotCommand {
  readonly script: string
  readonly stdin: Readable | null
  readonly stdout: Output
  readonly stderr: Output
  done(status: number): void
}

/** `coming`: it will take a command, once its shell is there. `over`: it will take no more. */
export type SlotState = 'coming' | 'idle' | 'running' | 'over'

type StreamName = 'stdout' | 'stderr'

/** A slot as plain data: its files say the rest, see SyntheticHandle.state. */
export interface SavedSlot {
  readonly id: string
  readonly state: SlotState
  /** Whether a command was under way. */
  readonly running: boolean
  readonly hasStdin: boolean
  readonly ended: readonly StreamName[]
  readonly open: number
}

/**
 * The host's side of a slot of the guest's (guest/agent.ts), which runs one command at a time:
 *
 *     token         the word that ends a command's output
 *     script        blocks until there is a command, then reads as a script for a shell
 *     stdin         each open waits for bytes and gives out what there is; ENODATA at the end
 *     stdout        takes the output of all its commands
 *     stderr
 *     again         is there as long as it may run another
 */
export class Slot {
  readonly directory: SyntheticDirectory
  readonly #id: string
  readonly #word: string
  readonly #events: SlotEvents
  readonly #script = new OnceFile(() => this.#become('coming', 'idle'))
  readonly #input = new Input()
  #state: SlotState = 'coming'
  #command: SlotCommand | undefined
  /** Which of the command's streams have ended. */
  readonly #ended: Set<StreamName>
  /** How many of its two outputs the guest has open, or will have. */
  #open: number

  /** @param saved what another was, and the guest's side of it is. */
  constructor(id: string, word: string, events: SlotEvents, saved?: SavedSlot) {
    this.#id = id
    this.#word = word
    this.#events = events
    this.directory = directory({
      token: constantFile(() => Buffer.from(`${word}\n`)),
      script: this.#script.file,
      stdin: this.#input.file,
      stdout: this.#outputFile('stdout'),
      stderr: this.#outputFile('stderr'),
      again: constantFile(() => new Uint8Array()),
    })
    this.#ended = new Set(saved?.ended)
    this.#open = saved?.open ?? 2
    if (saved === undefined) return
    // One that is idle is so as soon as its shell is heard of.
    if (saved.state !== 'idle') this.#state = saved.state
    if (saved.state === 'over') this.#takeNoMore()
    if (saved.running) this.#command = orphan(saved.hasStdin)
    // What it was fed with is gone.
    if (saved.hasStdin || saved.state === 'over') this.#input.end()
  }

  save(): SavedSlot {
    return {
      id: this.#id,
      state: this.#state,
      running: this.#command !== undefined,
      hasStdin: this.#command !== undefined && this.#command.stdin !== null,
      ended: [...this.#ended],
      open: this.#open,
    }
  }

  get state(): SlotState {
    return this.#state
  }

  isRunning(command: SlotCommand): boolean {
    return this.#command === command
  }

  /** Starts a command in a slot that is idle. */
  run(command: SlotCommand): void {
    this.#command = command
    this.#state = 'running'
    this.#ended.clear()
    // What feeds a command cannot be told that it has ended early: it serves only one.
    if (command.stdin !== null) {
      this.#takeNoMore()
      this.#input.from(command.stdin)
    }
    const nothing = command.stdin === null ? ' </dev/null' : ''
    // With an exit at its end the shell does not ask for more.
    this.#script.offer(Buffer.from(`exec 9<&-${nothing}; ${command.script}\nexit\n`))
  }

  /** For the agent: ends the command, and with it the slot. */
  killScript(): string {
    this.#takeNoMore()
    return `echo 1 >/cgroup/lowerdir/${this.#id}/cgroup.kill\n`
  }

  /** The guest is gone, with everything in it. */
  end(): void {
    this.#state = 'over'
    this.#command = undefined
    this.#input.end()
  }

  #takeNoMore(): void {
    this.#state = 'over'
    this.directory.entries.delete('again')
  }

  #become(from: SlotState, to: SlotState): void {
    if (this.#state !== from) return
    this.#state = to
    this.#events.onChange()
  }

  #outputFile(name: StreamName): SyntheticFile {
    return { kind: 'file', mode: 0o200, open: (state) => this.#outputHandle(name, state) }
  }

  #outputHandle(name: StreamName, state = ''): SyntheticHandle {
    const scanner = new EndingScanner(this.#word, Buffer.from(state, 'base64'))
    return {
      state: () => scanner.held.toString('base64'),
      write: (_offset, bytes) => {
        const { output, ending } = scanner.scan(bytes)
        const answer = this.#command?.[name].accept(output, bytes.length) ?? bytes.length
        if (ending !== undefined) this.#endStream(name, ending)
        return answer
      },
      close: () => {
        const command = this.#command
        command?.[name].finish()
        this.#takeNoMore()
        // What carries the input would keep the others waiting.
        this.#input.end()
        if (--this.#open > 0) return
        this.#command = undefined
        this.#events.onClosed(command)
      },
    }
  }

  /** One of the command's streams has ended; with the second one, so has the command. */
  #endStream(name: StreamName, { status, left }: Ending): void {
    const command = this.#command
    if (command === undefined || this.#ended.has(name)) return
    this.#ended.add(name)
    command[name].finish()
    if (this.#ended.size < 2) return
    this.#command = undefined
    if (command.stdin !== null) this.#input.end()
    command.done(status)
    if (left) this.#takeNoMore()
    if (this.#state === 'running') this.#state = 'coming'
    this.#events.onChange()
  }
}

/** Stands for a command whose output nobody gets any more: it has gone on from where its guest was saved. */
function orphan(hasStdin: boolean): SlotCommand {
  const [stdout, stderr] = [new Output(), new Output()]
  for (const stream of [stdout, stderr]) stream.destroy()
  return { script: '', stdin: hasStdin ? Readable.from([]) : null, stdout, stderr, done: () => {} }
}
