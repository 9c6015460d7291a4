import type { Duplex, Readable } from 'node:stream'
import { CLOCK } from '../../guest/agent.ts'
import type { Holdable } from '../../transport/hold.ts'
import { DuplexConnection } from '../../transport/stream/duplex.ts'
import type { SavedStream } from '../../transport/stream/stream-session.ts'
import { directory } from '../../tree/synthetic/entry.ts'
import { SyntheticTree } from '../../tree/synthetic/synthetic-tree.ts'
import { Answer } from './answer.ts'
import { ClockSetter } from './clock-setter.ts'
import { endingWord } from './ending.ts'
import { OnceFile } from './once-file.ts'
import { Output } from './output.ts'
import { type SavedSlot, Slot, type SlotCommand } from './slot.ts'

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

/** The channel as plain data, fit for JSON: what goes on with a guest that is restored. */
export interface SavedControl {
  /** See ending.ts. */
  readonly word: string
  readonly lastId: number
  /** What the agent was to run next, in base64. */
  readonly scripts: readonly string[]
  readonly slots: readonly SavedSlot[]
  /** Whether a process waits to set the clock. */
  readonly clock: boolean
  readonly stream: SavedStream
}

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
 *     clock           see clock-setter.ts
 */
export class Control implements Holdable<SavedControl> {
  readonly tree: SyntheticTree
  /** Resolves when the agent asks for its first script. */
  readonly ready: Promise<void>
  readonly #word: string
  readonly #next: OnceFile
  readonly #directory = directory()
  readonly #answers = directory()
  readonly #clock: ClockSetter
  readonly #slots = new Set<Slot>()
  readonly #queue: Placed[] = []
  readonly #underway = new Set<(reason: Error) => void>()
  /** Who waits until the guest has made ready all that it can. */
  readonly #resting: (() => void)[] = []
  /** The guest's end, while there is one. */
  #connection: DuplexConnection | undefined
  /** What the first connection goes on with. */
  #saved: SavedStream | undefined
  /** Whether that is to wait until it is told to. */
  #heldAtFirst = true
  #ended: Error | undefined
  #lastId: number

  /** @param saved what another was, with whose guest this one goes on. Commands that it ran are nobody's then. */
  constructor(saved?: SavedControl) {
    let markReady!: () => void
    this.ready = new Promise((resolve) => {
      markReady = resolve
    })
    this.#next = new OnceFile(markReady)
    this.#clock = new ClockSetter(
      { start: () => this.send(`echo ${CLOCK}\n`), onWaiting: () => this.#tellResting() },
      saved?.clock ?? false,
    )
    this.tree = new SyntheticTree(
      directory({
        next: this.#next.file,
        slots: this.#directory,
        answers: this.#answers,
        clock: this.#clock.file,
      }),
    )
    this.#word = saved?.word ?? endingWord()
    this.#lastId = saved?.lastId ?? 0
    this.#saved = saved?.stream
    if (saved === undefined) {
      this.#start()
      return
    }
    for (const slot of saved.slots) this.#add(slot.id, slot)
    for (const script of saved.scripts) this.#next.offer(Buffer.from(script, 'base64'))
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

  /**
   * Resolves when the guest has made ready what its next command takes, and what sets its clock: whoever goes on with
   * it would have to wait for that. Never when it ends first.
   */
  prepareToRest(): Promise<void> {
    this.#clock.prepare()
    return new Promise((done) => {
      this.#resting.push(done)
      this.#tellResting()
    })
  }

  /** Sets the guest's clock. See {@link ClockSetter.set}. */
  setClock(seconds: number): Promise<void> {
    return this.#clock.set(seconds)
  }

  /** Serves the guest's end of the channel, as long as it lasts. */
  async serve(stream: Duplex, log: (line: string) => void): Promise<void> {
    const connection = new DuplexConnection(this.tree, stream, { log, saved: this.#saved })
    this.#saved = undefined
    this.#connection = connection
    if (!this.#heldAtFirst) connection.goOn()
    await connection.over
    if (this.#connection === connection) this.#connection = undefined
  }

  hold(): Promise<void> {
    return this.#guest().hold()
  }

  async save(): Promise<SavedControl> {
    // Nothing may happen between the two.
    const stream = this.#guest().save()
    const rest = {
      word: this.#word,
      lastId: this.#lastId,
      scripts: this.#next.offered.map((script) => Buffer.from(script).toString('base64')),
      slots: [...this.#slots].map((slot) => slot.save()),
      clock: this.#clock.isWaiting,
    }
    return { ...rest, stream: await stream }
  }

  goOn(): void {
    this.#heldAtFirst = false
    this.#connection?.goOn()
  }

  /** The guest starts anew: what was under way fails with `reason`, and what comes from now on waits for it. */
  restart(reason: Error): void {
    this.#failAll(reason)
    this.#slots.clear()
    this.#directory.entries.clear()
    this.#next.clear()
    this.#clock.clear()
    this.#start()
  }

  /** The machine is gone: everything that waits for it fails with `reason`. */
  end(reason: Error): void {
    this.#ended ??= reason
    this.#failAll(this.#ended)
  }

  #failAll(reason: Error): void {
    for (const fail of this.#underway) fail(reason)
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
      if (this.#connection !== undefined) killed(command)
    })
  }

  /** Has the guest start a slot. */
  #start(): void {
    const id = String(++this.#lastId)
    this.#add(id)
    this.send(`echo ${id}\n`)
  }

  #add(id: string, saved?: SavedSlot): void {
    const events = {
      onChange: () => this.#handOut(),
      onClosed: (command: SlotCommand | undefined) => {
        this.#slots.delete(slot)
        this.#directory.entries.delete(id)
        if (command !== undefined) this.#lost(command)
        this.#handOut()
      },
    }
    const slot = new Slot(id, this.#word, events, saved)
    this.#slots.add(slot)
    this.#directory.entries.set(id, slot.directory)
  }

  #guest(): DuplexConnection {
    if (this.#connection !== undefined) return this.#connection
    throw new Error('The guest has closed its control channel.')
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
    this.#tellResting()
  }

  #tellResting(): void {
    if (!this.#clock.isWaiting) return
    if ([...this.#slots].some(({ state }) => state === 'coming')) return
    for (const done of this.#resting.splice(0)) done()
  }
}

/** A stream may have ended already. */
function killed(command: SlotCommand): void {
  command.stdout.finish()
  command.stderr.finish()
  command.done(KILLED)
}
