import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { drainEventfd } from '../sys/eventfd.ts'
import type { Later } from '../tree/later.ts'
import { HOLD_LOOK, HOLD_PATIENCE } from '../transport/hold.ts'
import { type SavedStream, reasonFor } from '../transport/stream/stream-session.ts'
import { Connection } from './connection.ts'
import type { Watched } from '../transport/event-loop.ts'
import type { EngineCommand, EngineMessage, Listen } from './share.ts'

/** A client, and where it is connected. */
export interface Client {
  readonly watched: Watched
  /** An index of the places that the engine listens in. */
  readonly place: number
  readonly listen: Listen
}

/** What the engine's starter asks for while the thread serves. It reads its messages without an event loop. */
export class Commands implements Watched {
  readonly fd: number
  readonly waitsFor = 'read'
  readonly #port: MessagePort
  readonly #clients: ReadonlySet<Client>
  readonly #later: Later
  /** Whether a conversation that goes on here is to wait until it is told to. */
  #heldAtFirst = true
  /** Calls the next look at what clients have received off. */
  #stopLooking: (() => void) | undefined

  /**
   * @param fd an eventfd of the starter's.
   * @param clients those that there are.
   */
  constructor(fd: number, port: MessagePort, clients: ReadonlySet<Client>, later: Later) {
    this.fd = fd
    this.#port = port
    this.#clients = clients
    this.#later = later
  }

  ready(): void {
    drainEventfd(this.fd)
    for (;;) {
      const received = receiveMessageOnPort(this.#port)
      if (received === undefined) return
      this.#obey(received.message as EngineCommand)
    }
  }

  close(): void {}

  /** A conversation goes on that was saved. @returns as Connection.load. */
  resume(connection: Connection, saved: SavedStream): number {
    if (this.#heldAtFirst) connection.hold()
    return connection.load(saved)
  }

  #obey(command: EngineCommand): void {
    if (command === 'hold') this.#attempt(() => this.#hold())
    else if (command === 'save') this.#attempt(() => this.#save())
    else this.#goOn()
  }

  #attempt(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.#answer({ kind: 'refused', why: reasonFor(error) })
    }
  }

  #hold(): void {
    for (const { connection } of this.#connections()) connection.hold()
    this.#look(performance.now() + HOLD_PATIENCE)
  }

  /** Until clients have received everything. */
  #look(end: number): void {
    // One may have gone, or come, since.
    const connections = this.#connections()
    if (connections.every(({ connection }) => connection.isReceived)) {
      this.#answer({ kind: 'done', saved: [] })
    } else if (performance.now() < end) {
      this.#stopLooking = this.#later(HOLD_LOOK, () => {
        this.#stopLooking = undefined
        this.#attempt(() => this.#look(end))
      })
    } else {
      for (const { connection } of connections) connection.goOn()
      const why = `its client has not taken its replies for ${HOLD_PATIENCE / 1000} seconds`
      this.#answer({ kind: 'refused', why })
    }
  }

  #goOn(): void {
    this.#heldAtFirst = false
    if (this.#stopLooking !== undefined) {
      this.#stopLooking()
      this.#stopLooking = undefined
      this.#answer({ kind: 'refused', why: 'it was told to go on' })
    }
    for (const { watched } of this.#clients) if (watched instanceof Connection) watched.goOn()
    this.#answer({ kind: 'done', saved: [] })
  }

  #save(): void {
    const saved = this.#connections().map(({ place, connection }) => {
      return { place, stream: connection.save() }
    })
    this.#answer({ kind: 'done', saved })
  }

  /** @throws Error for clients of which nobody can tell what they have received. */
  #connections(): { readonly place: number; readonly connection: Connection }[] {
    return [...this.#clients].map(({ watched, place, listen }) => {
      if (listen.kind === 'vhost-user') {
        throw new Error('QEMU cannot save a vhost-user device: use the transport tcp')
      }
      if (listen.kind === 'tcp' || !(watched instanceof Connection)) {
        throw new Error('what a client on a TCP port has received cannot be known')
      }
      return { place, connection: watched }
    })
  }

  #answer(message: EngineMessage): void {
    this.#port.postMessage(message)
  }
}
