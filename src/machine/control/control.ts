import type { Duplex, Readable } from 'node:stream'
import { serveDuplex } from '../../transport/stream/duplex.ts'
import { directory } from '../../tree/synthetic/entry.ts'
import { SyntheticTree } from '../../tree/synthetic/tree.ts'
import { Answer } from './answer.ts'
import { endingWord } from './ending.ts'
import { OnceFile } from './once-file.ts'
import { Output } from './output.ts'
import { Slot, type SlotCommand } from './slot.ts'

/** A command under way in a guest. */
export interface GuestCommand {
  readonly stdout: Readable
  readonly stderr: Readable
  /** The exit status as a shell gives it: 128 + n for signal n. Rejects when the machine ends first. */
  readonly exitStatus: Promise<number>
  /**
   * Ends it with everything it has started (cgroup.kill, since Linux 5.14); its exit status is then that of
   * SIGKILL. One that is over is left alone.
   */
  kill(): void
}

/** The exit status of a command that SIGKILL has ended, as a shell gives it. */
const KILLED = 128 + 9

/** What stands behind an answer that is whole. */
const NEWLINE = 0x0a

/** How many slots wait for a command that is yet to come, so that it starts at once. */
const SPARE = 1

/** A command that waits for a slot, or has one. */
interface Placed {
  readonly command: SlotCommand
  slot: Slot | undefined
}

/**
 * The host's side of the guest's control channel: a 9P tree in which the guest's agent (guest/agent.ts)
 * reads what to do next, and finds the files of each of its slots.
 *
 *     next            blocks until there is something to do, then reads as a shell script
 *     slots/ID/       see slot.ts
 *     answers/ID      takes what a script of the agent's prints
 */
export class Control {
  readonly tree: SyntheticTree
  /** Resolves when the agent asks for its first script. */
  readonly ready: Promise<void>
  readonly #word = endingWord()
  readonly #next: OnceFile
  readonly #directory = directory()
  readonly #answers = directory()
  readonly #slots = new Set<Slot>()
  readonly #queue: Placed[] = []
  readonly #underway = new Set<(reason: Error) => void>()
  #connected = false
  #ended: Error | undefined
  #lastId = 0

  constructor() {
    let markReady!: () => void
    this.ready = new Promise((resolve) => {
      markReady = resolve
    })
    this.#next = new OnceFile(markReady)
    this.tree = new SyntheticTree(
      directory({ next: this.#next.file, slots: this.#directory, answers: this.#answers }),
    )
    this.#start()
  }

  /** Lets the agent run a script of its own shell: short, and in the background if it takes time. */
  send(script: string): void {
    this.#next.offer(Buffer.from(script))
  }

  /**
   * Lets the agent run a script in the background and resolves with what that prints.
   *
   * @throws Error when it does not exit with 0, the machine's end when that comes first.
   */
  async ask(script: string): Promise<Buffer> {
    if (this.#ended !== undefined) throw this.#ended
    const id = String(++this.#lastId)
    const answer = new Answer()
    const fail = (reason: Error): void => answer.fail(reason)
    this.#underway.add(fail)
    this.#answers.entries.set(id, answer.file)
    // What is printed piece by piece gets here in larger ones.
    this.send(`{ (${script}\n) && echo; } | cat >/control/answers/${id} &\n`)
    try {
      const content = await answer.content
      if (content.at(-1) === NEWLINE) return content.subarray(0, -1)
      throw new Error(`The guest's agent could not run \`${script}\`; its console says why.`)
    } finally {
      this.#underway.delete(fail)
      this.#answers.entries.delete(id)
    }
  }

  /**
   * Starts a command with pipes of its own.
   *
   * @param script what a shell runs in the guest's root; see guest/agent.ts.
   * @param stdin what the command reads; null for nothing.
   */
  run(script: string, stdin: Readable | null): GuestCommand {
    const [stdout, stderr] = [new Output(), new Output()]
    let placed: Placed | undefined
    const exitStatus = new Promise<number>((resolve, reject) => {
      if (this.#ended !== undefined) throw this.#ended
      const fail = (reason: Error): void => {
        stdout.destroy()
        stderr.destroy()
        reject(reason)
      }
      const done = (status: number): void => {
        this.#underway.delete(fail)
        resolve(status)
      }
      this.#underway.add(fail)
      placed = { command: { script, stdin, stdout, stderr, done }, slot: undefined }
      this.#queue.push(placed)
      this.#handOut()
    })
    return { stdout, stderr, exitStatus, kill: () => this.#kill(placed) }
  }

  /** Serves the guest's end of the channel, as long as it lasts. */
  async serve(stream: Duplex, log: (line: string) => void): Promise<void> {
    this.#connected = true
    await serveDuplex(this.tree, stream, log)
    this.#connected = false
  }

  /** The machine is gone: everything that waits for it fails with `reason`. */
  end(reason: Error): void {
    this.#ended ??= reason
    for (const fail of this.#underway) fail(this.#ended)
    this.#underway.clear()
    this.#queue.length = 0
    for (const slot of this.#slots) slot.end()
  }

  #kill(placed: Placed | undefined): void {
    if (placed === undefined) return
    const { command, slot } = placed
    if (slot !== undefined) {
      if (slot.isRunning(command)) this.send(slot.killScript())
      return
    }
    const index = this.#queue.indexOf(placed)
    if (index < 0) return
    this.#queue.splice(index, 1)
    killed(command)
  }

  /** What a slot was running went with it: by force, unless it turns out that the whole guest is gone. */
  #lost(command: SlotCommand): void {
    setImmediate(() => {
      if (this.#connected) killed(command)
    })
  }

  /** Has the guest start a slot. */
  #start(): void {
    const id = String(++this.#lastId)
    const slot = new Slot(id, this.#word, {
      onChange: () => this.#handOut(),
      onClosed: (command) => {
        this.#slots.delete(slot)
        this.#directory.entries.delete(id)
        if (command !== undefined) this.#lost(command)
        this.#handOut()
      },
    })
    this.#slots.add(slot)
    this.#directory.entries.set(id, slot.directory)
    this.send(`echo ${id}\n`)
  }

  /** Gives the commands that wait to the slots that do, and sees to it that there will be enough of these. */
  #handOut(): void {
    let free = 0
    for (const slot of this.#slots) {
      if (slot.state === 'idle') {
        const placed = this.#queue.shift()
        if (placed !== undefined) {
          placed.slot = slot
          slot.run(placed.command)
          continue
        }
      }
      if (slot.state === 'idle' || slot.state === 'coming') free++
    }
    if (this.#ended !== undefined) return
    for (; free < this.#queue.length + SPARE; free++) this.#start()
  }
}

/** A stream may have ended already. */
function killed(command: SlotCommand): void {
  command.stdout.finish()
  command.stderr.finish()
  command.done(KILLED)
}
