import { once } from 'node:events'
import { type Socket, connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** A network card as a QEMU's `-netdev stream` is one: a socket with each frame behind its length. */
export class FakeCard {
  readonly socket: Socket
  /** What has arrived. */
  readonly frames: Buffer[] = []
  #rest = Buffer.alloc(0)

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      this.#rest = Buffer.concat([this.#rest, chunk])
      while (this.#rest.length >= 4) {
        const end = 4 + this.#rest.readUInt32BE()
        if (end > this.#rest.length) break
        this.frames.push(Buffer.from(this.#rest.subarray(4, end)))
        this.#rest = this.#rest.subarray(end)
      }
    })
  }

  static async plugIn(path: string): Promise<FakeCard> {
    const socket = connect(path)
    await once(socket, 'connect')
    return new FakeCard(socket)
  }

  send(...frames: Buffer[]): void {
    this.socket.write(Buffer.concat(frames.flatMap((frame) => [lengthOf(frame), frame])))
  }

  /** The texts of the frames that have arrived, once there are so many, and that are all. */
  async texts(count: number): Promise<string[]> {
    while (this.frames.length < count) await sleep(1)
    return this.frames.map(textOf)
  }

  /** Resolves when the other side has hung up. */
  async isCutOff(): Promise<void> {
    if (this.socket.closed) return
    await new Promise<void>((resolve) => this.socket.once('close', () => resolve()))
  }
}

/** A frame's length as it stands in front of it. */
export function lengthOf({ length }: { readonly length: number }): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(length)
  return bytes
}

/** A station's address by its number. */
export function address(number: number): Buffer {
  return Buffer.from([0x52, 0x54, 0, 0, number >> 8, number & 0xff])
}

export const broadcast = Buffer.alloc(6, 0xff)

/** An Ethernet frame whose payload is a text. */
export function frameOf(to: Buffer, from: Buffer, text: string): Buffer {
  return Buffer.concat([to, from, Buffer.from([0x88, 0xb5]), Buffer.from(text)])
}

export function textOf(frame: Buffer): string {
  return frame.toString('latin1', 14)
}
