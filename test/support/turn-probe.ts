import { accept, connectUnix, listenUnix, receive, sendBlocking } from '../../src/sys/sockets.ts'
import { close } from '../../src/sys/files.ts'
import { systemMemory } from '../../src/sys/system-memory.ts'
import { join } from 'node:path'
import { limits, type MessageName, type T } from '../../src/9p/index.ts'
import { defaultLimits, type SessionLimits } from '../../src/session/session-limits.ts'
import { Connection } from '../../src/server/connection.ts'
import { Loop } from '../../src/server/loop.ts'
import type { Later } from '../../src/tree/later.ts'
import type { Exports } from '../../src/tree/tree.ts'
import { requestFrame } from './frames.ts'
import { afterwards, temporaryDirectory } from './temporary.ts'

/** A client of a {@link TurnProbe}: bytes go in whenever the test says so. */
export interface TurnClient {
  readonly name: string
  send<M extends MessageName>(tag: number, name: M, fields: T<M>): void
  /** Sends whole frames together. */
  sendRaw(frames: readonly Uint8Array[]): void
  /** The tags of the replies that have arrived. */
  take(): number[]
  close(): void
}

/**
 * The loop of an engine thread with clients on sockets, all in the test's own thread and with a clock of the
 * test's: a test sees in which order replies are made.
 */
export class TurnProbe {
  readonly loop: Loop
  /** The time on the clock of turns, in milliseconds. */
  now = 0
  /** How much later each look at the clock is, in milliseconds. */
  tick = 0
  /** The longest round so far, in milliseconds of that clock: all others wait as long. */
  longestRound = 0
  readonly #exports: Exports
  readonly #most: SessionLimits
  readonly #path = join(temporaryDirectory(), 'socket')
  readonly #listener: number
  readonly #memory = systemMemory(1 << 20)

  /** @param exports what is served, with the loop's timers. */
  constructor(exports: (later: Later) => Exports, most: Partial<SessionLimits> = {}) {
    this.#most = { ...defaultLimits, ...most }
    this.loop = new Loop(() => (this.now += this.tick))
    this.#exports = exports(this.loop.later)
    this.#listener = listenUnix(this.#path)
    afterwards(() => {
      this.loop.close()
      close(this.#listener)
    })
  }

  /** A client that has begun a session, and has the root as fid 0. */
  connect(name: string): TurnClient {
    const fd = connectUnix(this.#path)
    let isOpen = true
    const end = (): void => {
      if (isOpen) close(fd)
      isOpen = false
    }
    afterwards(end)
    const connection = new Connection(
      accept(this.#listener),
      this.loop,
      this.#exports,
      this.#most,
      () => {},
      (ended) => this.loop.remove(ended),
    )
    this.loop.add(connection)
    const sendRaw = (frames: readonly Uint8Array[]): void => {
      const bytes = Buffer.concat(frames)
      this.#memory.bytes.set(bytes)
      sendBlocking(fd, this.#memory.address, bytes.length)
    }
    let rest = Buffer.alloc(0)
    const client: TurnClient = {
      name,
      send: (tag, message, fields) => sendRaw([requestFrame(tag, message, fields)]),
      sendRaw,
      take: () => {
        for (;;) {
          const got = receive(fd, this.#memory.address, this.#memory.bytes.length)
          if (got <= 0) break
          rest = Buffer.concat([rest, this.#memory.bytes.subarray(0, got)])
        }
        const tags: number[] = []
        while (rest.length >= 4 && rest.length >= rest.readUInt32LE(0)) {
          tags.push(rest.readUInt16LE(5))
          rest = rest.subarray(rest.readUInt32LE(0))
        }
        return tags
      },
      close: end,
    }
    client.send(limits.NOTAG, 'version', { msize: 8192, version: limits.VERSION })
    client.send(1, 'attach', {
      fid: 0,
      afid: limits.NOFID,
      uname: '',
      aname: '',
      uid: process.getuid?.() ?? 0,
    })
    this.until(() => client.take().includes(1))
    return client
  }

  /** Runs rounds until `isDone`, which is asked after each. @throws Error when that takes too many. */
  until(isDone: () => boolean, rounds = 10_000): void {
    for (let round = 0; round < rounds; round++) {
      // A timer that is due at once: the loop does not sleep.
      this.loop.later(0, () => this.loop.stop())
      const start = this.now
      this.loop.run()
      this.longestRound = Math.max(this.longestRound, this.now - start)
      if (isDone()) return
    }
    throw new Error(`not done after ${rounds} rounds`)
  }
}
