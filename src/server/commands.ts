import type { Later } from '../tree/later.ts'
import { HOLD_INTERVAL, HOLD_TIMEOUT } from '../transport/hold.ts'
import { type SavedStream, reasonFor } from '../transport/stream/stream-session.ts'
import { Connection } from './connection.ts'
import type { Client } from './clients.ts'
import type { EngineCommand, EngineMessage } from './share.ts'

/** Carries out the starter's commands while the process serves. */
export class Commands {
  readonly #clients: Iterable<Client>
  readonly #later: Later
  readonly #tell: (message: EngineMessage) => void
  readonly #stop: () => void
  /** Whether sessions that are resumed wait for the first "go on". */
  #heldAtFirst = true
  /** Whether all clients are held. */
  #isHeld = false
  /** Cancels the next check of what clients have received. */
  #cancelLook: (() => void) | undefined

  /**
   * @param clients all clients, as they come and go.
   * @param tell tells the starter.
   * @param stop ends the loop.
   */
  constructor(
    clients: Iterable<Client>,
    later: Later,
    tell: (message: EngineMessage) => void,
    stop: () => void,
  ) {
    this.#clients = clients
    this.#later = later
    this.#tell = tell
    this.#stop = stop
  }

  /** Goes on with a client that another process has accepted. @returns as Connection.load. */
  begin(connection: Connection, stream: SavedStream): number {
    if (this.#isHeld) connection.hold()
    return connection.load(stream)
  }

  /** Resumes a saved session. @returns as Connection.load. */
  resume(connection: Connection, saved: SavedStream): number {
    if (this.#heldAtFirst) connection.hold()
    return connection.load(saved)
  }

  obey(command: EngineCommand): void {
    if (command === 'stop') this.#stop()
    else if (command === 'hold') this.#attempt(() => this.#hold())
    else if (command === 'save') this.#attempt(() => this.#save())
    else this.#goOn()
  }

  #attempt(act: () => void): void {
    try {
      act()
    } catch (error) {
      // The starter gets the error, and the clients are served on.
      this.#tell({ kind: 'refused', why: reasonFor(error) })
    }
  }

  #hold(): void {
    const connections = this.#connections()
    this.#isHeld = true
    for (const { connection } of connections) connection.hold()
    this.#look(performance.now() + HOLD_TIMEOUT)
  }

  /** Checks again and again until clients have received everything, or the time is over. */
  #look(end: number): void {
    // Clients may have come and gone since the last check.
    const connections = this.#connections()
    if (connections.every(({ connection }) => connection.isReceived)) {
      this.#tell({ kind: 'done', saved: [] })
    } else if (performance.now() < end) {
      this.#cancelLook = this.#later(HOLD_INTERVAL, () => {
        this.#cancelLook = undefined
        this.#attempt(() => this.#look(end))
      })
    } else {
      this.#isHeld = false
      for (const { connection } of connections) connection.goOn()
      const why = `its client has not taken its replies for ${HOLD_TIMEOUT / 1000} seconds`
      this.#tell({ kind: 'refused', why })
    }
  }

  #goOn(): void {
    this.#heldAtFirst = false
    this.#isHeld = false
    if (this.#cancelLook !== undefined) {
      this.#cancelLook()
      this.#cancelLook = undefined
      this.#tell({ kind: 'refused', why: 'it was told to go on' })
    }
    for (const { watched } of this.#clients) if (watched instanceof Connection) watched.goOn()
    this.#tell({ kind: 'done', saved: [] })
  }

  #save(): void {
    const saved = this.#connections().map(({ place, connection }) => {
      return { place, stream: connection.save() }
    })
    this.#tell({ kind: 'done', saved })
  }

  /** @throws Error where a client cannot be saved, or the server cannot know what it has received. */
  #connections(): { readonly place: number; readonly connection: Connection }[] {
    // The front end of a file system device asks for its state itself, and its replies are in the guest's memory at once.
    const clients = [...this.#clients].filter(({ kind }) => kind !== 'virtiofs')
    return clients.map(({ watched, place, kind }) => {
      if (kind === 'vhost-user') {
        throw new Error('QEMU cannot save a 9P device: use the transport virtiofs or tcp')
      }
      if (kind === 'tcp' || !(watched instanceof Connection)) {
        throw new Error('what a client on a TCP port has received cannot be known')
      }
      return { place, connection: watched }
    })
  }
}
