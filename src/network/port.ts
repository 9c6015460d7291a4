import { type Server, type Socket, createServer } from 'node:net'
import { Card } from './nic.ts'

/** What has become of the frames of a port. */
export interface PortCounters {
  /** Came from the card. */
  received: number
  /** Of these, dropped: no switch passes such frames on. */
  malformed: number
  /** Left for the card. */
  sent: number
  /** Dropped, since the card does not take as many. */
  overflowed: number
  /** Dropped, since there was no card. */
  unplugged: number
}

/** What a port is made of. */
export interface PortOptions {
  /** A path at which nothing is: QEMU connects to it (`-netdev stream,server=off,addr.type=unix,addr.path=…`). */
  readonly socket: string
  /** The machine that the card is of. */
  readonly machine: string
  /** The broadcast domain that it is in. */
  readonly vlan: number
  /** Gets each frame from the card, unchecked. Its bytes are only there during the call. */
  readonly onFrame: (port: Port, frame: Buffer) => void
  /** The card is gone; another may come. */
  readonly onGone: (port: Port) => void
  readonly log: (line: string) => void
}

/** Where one network card of a guest is plugged in: a unix socket that its QEMU connects to. */
export class Port implements AsyncDisposable {
  readonly socket: string
  readonly machine: string
  readonly vlan: number
  readonly counters: PortCounters = {
    received: 0,
    malformed: 0,
    sent: 0,
    overflowed: 0,
    unplugged: 0,
  }
  readonly #options: PortOptions
  readonly #server: Server
  #card: Card | undefined

  private constructor(options: PortOptions) {
    this.socket = options.socket
    this.machine = options.machine
    this.vlan = options.vlan
    this.#options = options
    this.#server = createServer((socket) => this.#plugIn(socket))
  }

  /** @throws Node's error when the socket cannot be listened on: EADDRINUSE, EACCES, ENOENT, … */
  static async open(options: PortOptions): Promise<Port> {
    const port = new Port(options)
    await new Promise<void>((resolve, reject) => {
      port.#server.once('error', reject)
      port.#server.listen(options.socket, resolve)
    })
    return port
  }

  /** Sends a frame to the card, or drops it: no card waits for another. */
  send(frame: Buffer): void {
    if (this.#card === undefined) this.counters.unplugged++
    else if (this.#card.send(frame)) this.counters.sent++
    else this.counters.overflowed++
  }

  /** Whatever is plugged in is cut off, and the socket is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => {
      this.#server.close(resolve)
    })
    this.#card?.destroy()
    await closed
  }

  #plugIn(socket: Socket): void {
    if (this.#card !== undefined) {
      this.#log('a second card is refused: a port has one')
      socket.destroy()
      return
    }
    this.#card = new Card(socket, {
      onFrame: (frame) => {
        this.counters.received++
        this.#options.onFrame(this, frame)
      },
      onBroken: (reason) => this.#log(`the card is cut off: ${reason}`),
      onGone: () => {
        this.#card = undefined
        this.#options.onGone(this)
      },
    })
  }

  #log(what: string): void {
    this.#options.log(`network: ${this.machine}, VLAN ${this.vlan}: ${what}`)
  }
}
