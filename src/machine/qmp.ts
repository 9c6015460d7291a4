import { EventEmitter } from 'node:events'
import { type Socket, connect } from 'node:net'
import { createInterface } from 'node:readline'

/** Something that QEMU tells by itself, such as SHUTDOWN. */
export interface QmpEvent {
  readonly event: string
  readonly data?: Readonly<Record<string, unknown>>
}

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

interface QmpMessage extends Partial<QmpEvent> {
  readonly id?: number
  readonly return?: unknown
  readonly error?: { readonly class: string; readonly desc: string }
}

/**
 * QEMU's machine protocol (docs/interop/qmp-spec.rst): JSON, a line for each message; replies carry
 * the id of their command, events come in between.
 */
export class Qmp extends EventEmitter<{ event: [QmpEvent] }> {
  readonly #socket: Socket
  readonly #waiting = new Map<number, Waiting>()
  #id = 0

  private constructor(socket: Socket) {
    super()
    this.#socket = socket
    createInterface({ input: socket }).on('line', (line) => this.#receive(line))
    socket.on('error', () => {})
    socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('QEMU has closed its monitor'))
      this.#waiting.clear()
    })
  }

  /** Connects to the monitor that listens at `path`, and leaves its negotiation mode. */
  static async connect(path: string): Promise<Qmp> {
    const socket = connect(path)
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    const qmp = new Qmp(socket)
    await qmp.execute('qmp_capabilities')
    return qmp
  }

  /** Runs a command and resolves with what it returns; rejects with QEMU's own words. */
  execute(command: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const id = ++this.#id
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: parameters, id })}\r\n`)
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #receive(line: string): void {
    const message = JSON.parse(line) as QmpMessage
    if (message.event !== undefined) {
      this.emit('event', message as QmpEvent)
      return
    }
    const waiting = message.id === undefined ? undefined : this.#waiting.get(message.id)
    if (waiting === undefined) return
    this.#waiting.delete(message.id!)
    if (message.error === undefined) waiting.resolve(message.return)
    else waiting.reject(new Error(`QMP: ${message.error.desc}`))
  }
}
