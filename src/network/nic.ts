import type { Socket } from 'node:net'
import { FrameReader, FramingError } from './frame-reader.ts'
import { OutgoingQueue } from './outgoing-queue.ts'

/** What a NIC tells the port that it is plugged into. */
export interface NicEvents {
  /** It has sent a frame, which is not checked. The bytes are valid only during the call. */
  readonly onFrame: (frame: Buffer) => void
  /** It is disconnected, since it has sent something other than frames. */
  readonly onBroken: (reason: string) => void
  /** The connection is closed, from either side. */
  readonly onGone: () => void
}

/** A guest's NIC: the connection from a QEMU's `-netdev stream`. */
export class Nic {
  readonly #socket: Socket
  readonly #queue = new OutgoingQueue()
  #isWriting = false

  /** @param socket belongs to this object from now on. */
  constructor(socket: Socket, { onFrame, onBroken, onGone }: NicEvents) {
    this.#socket = socket
    const reader = new FrameReader()
    socket.on('data', (chunk: Buffer) => {
      try {
        reader.receive(chunk, onFrame)
      } catch (error) {
        if (!(error instanceof FramingError)) throw error
        socket.destroy()
        onBroken(error.message)
      }
    })
    // A QEMU that has ended its side reads no more either.
    socket.once('end', () => socket.destroy())
    // A QEMU that is killed resets the connection; 'close' follows.
    socket.on('error', () => {})
    socket.once('close', onGone)
  }

  /** @returns false where the queue of this NIC is full: the frame is dropped. */
  send(frame: Buffer): boolean {
    if (!this.#queue.append(frame)) return false
    if (!this.#isWriting) {
      this.#isWriting = true
      // Frames of the same turn of the event loop leave together.
      process.nextTick(() => this.#write())
    }
    return true
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #write(): void {
    const bytes = this.#queue.take()
    if (bytes === undefined || this.#socket.destroyed) this.#isWriting = false
    else this.#socket.write(bytes, () => this.#write())
  }
}
