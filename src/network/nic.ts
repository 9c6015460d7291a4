import type { Socket } from 'node:net'
import { FrameReader } from './frame-reader.ts'
import { OutgoingQueue } from './outgoing-queue.ts'

/** What happens to a card, for the port that it is plugged in. */
export interface CardEvents {
  /** It has sent a frame, unchecked. The bytes are only there during the call. */
  readonly onFrame: (frame: Buffer) => void
  /** It is cut off, since what it sends is no stream of frames. */
  readonly onBroken: (reason: string) => void
  /** It is gone, whoever ended it. */
  readonly onGone: () => void
}

/** A guest's network card: the other end is a QEMU's `-netdev stream`. */
export class Card {
  readonly #socket: Socket
  readonly #queue = new OutgoingQueue()
  #isWriting = false

  /** @param socket belongs to this from now on. */
  constructor(socket: Socket, { onFrame, onBroken, onGone }: CardEvents) {
    this.#socket = socket
    const reader = new FrameReader()
    socket.on('data', (chunk: Buffer) => {
      try {
        reader.receive(chunk, onFrame)
      } catch (error) {
        socket.destroy()
        onBroken(error instanceof Error ? error.message : String(error))
      }
    })
    // Whoever says no more reads no more.
    socket.once('end', () => socket.destroy())
    // A QEMU that is killed resets the connection; 'close' follows.
    socket.on('error', () => {})
    socket.once('close', onGone)
  }

  /** @returns false when the card has not taken what waits already: the frame is dropped. */
  send(frame: Buffer): boolean {
    if (!this.#queue.append(frame)) return false
    if (!this.#isWriting) {
      this.#isWriting = true
      // What comes in the same round leaves together.
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
