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

/** What a slot calls. */
export interface SlotEvents {
  /** Its state has changed. */
  onChange(): void
  /** The guest has closed all of its files. `command` ran in it, and its end was not reported. */
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

/** `coming`: the slot takes a command once its shell is there. `over`: it takes no more commands. */
export type SlotState = 'coming' | 'idle' | 'running' | 'over'

type StreamName = 'stdout' | 'stderr'

/** A slot as plain data. The open files have states of their own, see SyntheticHandle.state. */
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
 *     again         exists as long as the slot may run another command
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
  /** How many of its two outputs the guest has open, or will open. */
  #open: number

  /** @param saved the slot of the guest before its restore. */
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
    // An idle slot becomes idle when its shell reads the script.
    if (saved.state !== 'idle') this.#state = saved.state
    if (saved.state === 'over') this.#takeNoMore()
    if (saved.running) this.#command = orphan(saved.hasStdin)
    // The source of its input is gone.
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
    // The guest's carrier of the input does not notice that a command has ended early: it serves only one.
    if (command.stdin !== null) {
      this.#takeNoMore()
      this.#input.from(command.stdin)
    }
    const nothing = command.stdin === null ? ' </dev/null' : ''
    // The `exit` keeps the shell from reading further.
    this.#script.offer(Buffer.from(`exec 9<&-${nothing}; ${command.script}\nexit\n`))
  }

  /** A script for the agent that kills the command, and with it the slot. */
  killScript(): string {
    this.#takeNoMore()
    return `echo 1 >/cgroup/lowerdir/${this.#id}/cgroup.kill\n`
  }

  /** The guest has ended. */
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
        // The carrier of the input would otherwise keep the slot's other processes waiting.
        this.#input.end()
        if (--this.#open > 0) return
        this.#command = undefined
        this.#events.onClosed(command)
      },
    }
  }

  /** One of the command's streams has ended. The command ends with its second one. */
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

/** A stand-in for a command that was saved with its guest: its output is dropped. */
function orphan(hasStdin: boolean): SlotCommand {
  const [stdout, stderr] = [new Output(), new Output()]
  for (const stream of [stdout, stderr]) stream.destroy()
  return { script: '', stdin: hasStdin ? Readable.from([]) : null, stdout, stderr, done: () => {} }
}
