import { connect, type Socket } from 'node:net'
import { type Duplex, duplexPair } from 'node:stream'

/**
 * What a virtual machine is to its servers: a client that can be stopped, and QEMU's end of the socket, which goes on
 * taking what comes. Restored, it talks to another server and does not know.
 */
export class MachineLike implements Disposable {
  /** The guest's end. */
  readonly guest: Duplex
  readonly #qemu: Duplex
  #socket: Socket | undefined
  #isRunning = true
  /** What the guest has sent and QEMU has not. */
  #outgoing: Buffer = Buffer.alloc(0)
  /** What QEMU has received and the guest has not. */
  #incoming: Buffer = Buffer.alloc(0)

  constructor() {
    const [guest, qemu] = duplexPair({ highWaterMark: 1 << 24 })
    this.guest = guest
    this.#qemu = qemu
    qemu.on('data', (chunk: Buffer) => {
      this.#outgoing = Buffer.concat([this.#outgoing, chunk])
      this.#carry()
    })
  }

  /** How many bytes QEMU has and the guest has not. */
  get received(): number {
    return this.#incoming.length
  }

  /** QEMU's socket is connected to a server's. */
  async connectTo(path: string): Promise<void> {
    this.#socket?.destroy()
    this.#incoming = Buffer.alloc(0)
    const socket = connect(path)
    this.#socket = socket
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    socket.on('data', (chunk: Buffer) => {
      this.#incoming = Buffer.concat([this.#incoming, chunk])
      this.#carry()
    })
  }

  /** Resolves when the server's socket has all that the guest has sent. */
  async sent(): Promise<void> {
    while (
      this.guest.writableLength > 0 ||
      this.#qemu.readableLength > 0 ||
      this.#outgoing.length > 0 ||
      (this.#socket?.writableLength ?? 0) > 0
    ) {
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** QEMU takes nothing from the server until {@link hear}. */
  deafen(): void {
    this.#socket?.pause()
  }

  /** QEMU takes what comes from the server again. */
  hear(): void {
    this.#socket?.resume()
  }

  /** The guest stands still. Part of a frame may be on its way, and the rest of it in the guest. */
  async stop(): Promise<void> {
    this.#isRunning = false
    // What QEMU has of the guest, it has written.
    while ((this.#socket?.writableLength ?? 0) > 0)
      await new Promise((resolve) => setImmediate(resolve))
  }

  cont(): void {
    this.#isRunning = true
    this.#carry()
  }

  /** In pieces, as a guest's network card does. */
  #carry(): void {
    while (this.#isRunning && this.#outgoing.length > 0) {
      const piece = this.#outgoing.subarray(0, 1460)
      this.#outgoing = this.#outgoing.subarray(piece.length)
      this.#socket?.write(piece)
    }
    if (!this.#isRunning || this.#incoming.length === 0) return
    this.#qemu.write(this.#incoming)
    this.#incoming = Buffer.alloc(0)
  }

  [Symbol.dispose](): void {
    this.#socket?.destroy()
    this.guest.destroy()
  }
}
