import type { Duplex, Readable } from 'node:stream'
import { type SessionLimits, defaultLimits } from '../../session/session-limits.ts'
import { CLOCK } from '../../guest/agent.ts'
import type { Holdable } from '../../transport/hold.ts'
import { DuplexConnection } from '../../transport/stream/duplex.ts'
import type { SavedStream } from '../../transport/stream/stream-session.ts'
import { directory } from '../../tree/synthetic/entry.ts'
import { SyntheticTree } from '../../tree/synthetic/synthetic-tree.ts'
import { Answer } from './answer.ts'
import { type ClockProcess, ClockSetter } from './clock-setter.ts'
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
  /**
   * The host waits no longer: both streams are destroyed, and {@link exitStatus} rejects with `reason`. What the guest
   * still writes is dropped.
   */
  giveUp(reason: Error): void
}

/** The exit status of a command that SIGKILL has ended, as a shell gives it. */
const KILLED = 128 + 9

/** The end of a complete answer. */
const NEWLINE = 0x0a

/** A slot takes some ten fids of the guest's client, and the agent has 500 slots at most. */
const LIMITS: SessionLimits = { ...defaultLimits, fids: 1 << 14 }

/** How many idle slots are kept ready, so that the next command starts at once. */
const SPARE = 1

/** The channel as plain data, fit for JSON, for a restored guest. */
export interface SavedControl {
  /** The word that ends a command's output: see ending.ts. */
  readonly word: string
  readonly lastId: number
  /** The scripts that the agent has not read yet, in base64. */
  readonly scripts: readonly string[]
  readonly slots: readonly SavedSlot[]
  /** The process that waits to set the clock. */
  readonly clock: ClockProcess
  readonly stream: SavedStream
}

/** A command, and its slot once it has one. */
interface Placed {
  readonly command: SlotCommand
  slot: Slot | undefined
}

/**
 * The host's side of the guest's control channel: a 9P tree in which the guest's agent (guest/agent.ts)
 * reads its scripts, and finds the files of each of its slots.
 *
 *     next            blocks until there is a script for the agent, then reads as that
 *     slots/ID/       see slot.ts
 *     answers/ID      takes the output of a script of the agent
 *     clock/          see clock-setter.ts
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
  /** Resolve the promises of {@link prepareToRest}. */
  readonly #resting: (() => void)[] = []
  /** The connection to the guest, while there is one. */
  #connection: DuplexConnection | undefined
  /** The saved session of the first connection. */
  #saved: SavedStream | undefined
  /** Whether the first connection waits for {@link goOn}. */
  #heldAtFirst = true
  #ended: Error | undefined
  #lastId: number
  #heard = 0

  /** @param saved the channel of the guest before its restore. The output of commands that it ran is dropped. */
  constructor(saved?: SavedControl) {
    let markReady!: () => void
    this.ready = new Promise((resolve) => {
      markReady = resolve
    })
    this.#next = new OnceFile(markReady)
    this.#clock = new ClockSetter(
      { start: () => this.send(`echo ${CLOCK}\n`), onWaiting: () => this.#tellResting() },
      saved?.clock ?? 'none',
    )
    this.tree = new SyntheticTree(
      directory({
        next: this.#next.file,
        slots: this.#directory,
        answers: this.#answers,
        clock: this.#clock.directory,
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

  /** How often bytes of the guest have arrived. It grows as long as the guest's kernel and its agent live. */
  get heard(): number {
    return this.#heard
  }

  /** Makes the agent's shell run a script. The agent waits for its end: a long one has to start in the background. */
  send(script: string): void {
    this.#next.offer(Buffer.from(script))
  }

  /**
   * Makes the agent run a script in the background, and resolves with the script's output.
   *
   * @param signal aborting it gives the answer up. A script that has begun runs on.
   * @throws Error when the script does not exit with 0, or its output is too long; the signal's reason; the machine's end
   *   when that comes first.
   */
  async ask(script: string, signal?: AbortSignal): Promise<Buffer> {
    if (this.#ended !== undefined) throw this.#ended
    signal?.throwIfAborted()
    const id = String(++this.#lastId)
    const answer = new Answer(script)
    const fail = (reason: Error): void => answer.fail(reason)
    const abort = (): void => answer.fail(signal?.reason as Error)
    signal?.addEventListener('abort', abort, { once: true })
    this.#underway.add(fail)
    this.#answers.entries.set(id, answer.file)
    // `cat` collects small writes into larger ones.
    const whole = `{ (${script}\n) && echo; } | cat >/control/answers/${id} &\n`
    this.send(whole)
    try {
      const content = await answer.content
      if (content.at(-1) === NEWLINE) return content.subarray(0, -1)
      throw new Error(`The guest's agent could not run \`${script}\`; its console says why.`)
    } finally {
      signal?.removeEventListener('abort', abort)
      this.#underway.delete(fail)
      this.#answers.entries.delete(id)
      this.#next.withdraw(Buffer.from(whole))
    }
  }

  /**
   * Starts a command with pipes of its own.
   *
   * @param script for a shell in the guest's root; see guest/agent.ts.
   * @param stdin the command's input; null for none.
   */
  run(script: string, stdin: Readable | null): GuestCommand {
    const [stdout, stderr] = [new Output(), new Output()]
    let placed: Placed | undefined
    let fail: (reason: Error) => void = () => {}
    const exitStatus = new Promise<number>((resolve, reject) => {
      if (this.#ended !== undefined) throw this.#ended
      fail = (reason) => {
        this.#underway.delete(fail)
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
    return {
      stdout,
      stderr,
      exitStatus,
      kill: () => this.#kill(placed),
      giveUp: (reason) => {
        this.#unqueue(placed)
        fail(reason)
      },
    }
  }

  /**
   * Resolves when the guest is ready for its next command and for its clock to be set. Without that, each machine that goes
   * on from the snapshot has to wait for it. Stays pending when the guest ends first.
   */
  prepareToRest(): Promise<void> {
    this.#clock.stop()
    this.#clock.prepare()
    return new Promise((done) => {
      this.#resting.push(done)
      this.#tellResting()
    })
  }

  /** The guest's clock. */
  get clock(): ClockSetter {
    return this.#clock
  }

  /** Serves a connection of the guest, until its end. */
  async serve(stream: Duplex, log: (line: string) => void): Promise<void> {
    const options = { log, limits: LIMITS, saved: this.#saved }
    const connection = new DuplexConnection(this.tree, stream, options)
    stream.on('data', () => this.#heard++)
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
    // No await between the two: nothing may change the state meanwhile.
    const stream = this.#guest().save()
    const rest = {
      word: this.#word,
      lastId: this.#lastId,
      scripts: this.#next.offered.map((script) => Buffer.from(script).toString('base64')),
      slots: [...this.#slots].map((slot) => slot.save()),
      clock: this.#clock.process,
    }
    return { ...rest, stream: await stream }
  }

  goOn(): void {
    this.#heldAtFirst = false
    this.#connection?.goOn()
  }

  /** The guest reboots: commands under way fail with `reason`, and new commands wait until it is up. */
  restart(reason: Error): void {
    this.#failAll(reason)
    this.#slots.clear()
    this.#directory.entries.clear()
    this.#next.clear()
    this.#clock.clear()
    this.#start()
  }

  /** The machine has ended: all that waits for it fails with `reason`. */
  end(reason: Error): void {
    this.#ended ??= reason
    this.#clock.clear()
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
    if (this.#unqueue(placed)) killed(command)
  }

  /** Takes a command back that waits for a slot. @returns whether it did. */
  #unqueue(placed: Placed | undefined): boolean {
    const index = placed === undefined ? -1 : this.#queue.indexOf(placed)
    if (index >= 0) this.#queue.splice(index, 1)
    return index >= 0
  }

  /** A slot has closed under its command: the command was killed, unless the whole guest has ended. */
  #lost(command: SlotCommand): void {
    setImmediate(() => {
      if (this.#connection !== undefined) killed(command)
    })
  }

  /** Makes the guest start a slot. */
  #start(): void {
    const id = String(++this.#lastId)
    this.#add(id)
    this.send(startScript(id))
  }

  #add(id: string, saved?: SavedSlot): void {
    const events = {
      onChange: () => this.#handOut(),
      onClosed: (command: SlotCommand | undefined) => {
        this.#slots.delete(slot)
        this.#directory.entries.delete(id)
        // The guest may have closed a slot that it was not told to start. Its script would wait for ever.
        this.#next.withdraw(Buffer.from(startScript(id)))
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

  /** Gives waiting commands to idle slots, and starts slots where there are too few. */
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
    if (this.#clock.process !== 'waiting') return
    if ([...this.#slots].some(({ state }) => state === 'coming')) return
    for (const done of this.#resting.splice(0)) done()
  }
}

/** A script for the agent that starts a slot. */
function startScript(id: string): string {
  return `echo ${id}\n`
}

/** Ends a command that was killed. Its streams may have ended already. */
function killed(command: SlotCommand): void {
  command.stdout.finish()
  command.stderr.finish()
  command.done(KILLED)
}
