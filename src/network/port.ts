import { type Server, type Socket, createServer } from 'node:net'
import { Nic } from './nic.ts'

/** How many frames of a port had which fate. */
export interface PortCounters {
  /** Arrived from the NIC. */
  received: number
  /** Of these, dropped because no switch may forward them. */
  malformed: number
  /** Handed to the NIC's queue. */
  sent: number
  /** Dropped because the NIC's queue was full. */
  overflowed: number
  /** Dropped because no NIC was plugged in. */
  unplugged: number
}

/** Options of a port. */
export interface PortOptions {
  /** The path of its socket, which must not exist yet: QEMU connects to it (`-netdev stream,server=off,addr.type=unix,addr.path=…`). */
  readonly socket: string
  /** The machine that the NIC belongs to. */
  readonly machine: string
  /** The VLAN that it is in. */
  readonly vlan: number
  /** Gets each frame from the NIC, unchecked. Its bytes are valid only during the call. */
  readonly onFrame: (port: Port, frame: Buffer) => void
  /** The NIC is gone; another may be plugged in. */
  readonly onGone: (port: Port) => void
  readonly log: (line: string) => void
}

/** A port of the switch, for one NIC of a guest: a unix socket that the guest's QEMU connects to. */
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
  #nic: Nic | undefined

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

  /** Sends a frame to the NIC, or drops it where its queue is full: no NIC waits for another. */
  send(frame: Buffer): void {
    if (this.#nic === undefined) this.counters.unplugged++
    else if (this.#nic.send(frame)) this.counters.sent++
    else this.counters.overflowed++
  }

  /** Disconnects the NIC and removes the socket. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => {
      this.#server.close(resolve)
    })
    this.#nic?.destroy()
    await closed
  }

  #plugIn(socket: Socket): void {
    if (this.#nic !== undefined) {
      this.#log('a second NIC is refused: a port has one')
      socket.destroy()
      return
    }
    this.#nic = new Nic(socket, {
      onFrame: (frame) => {
        this.counters.received++
        this.#options.onFrame(this, frame)
      },
      onBroken: (reason) => this.#log(`the NIC is disconnected: ${reason}`),
      onGone: () => {
        this.#nic = undefined
        this.#options.onGone(this)
      },
    })
  }

  #log(what: string): void {
    this.#options.log(`network: ${this.machine}, VLAN ${this.vlan}: ${what}`)
  }
}
