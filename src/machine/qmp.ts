import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'

/** An event that QEMU sends by itself, such as SHUTDOWN. */
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
 * A client of QEMU's machine protocol (docs/interop/qmp-spec.rst): one line of JSON for each message. Replies carry the id
 * of their command; events come in between.
 */
export class Qmp extends EventEmitter<{ event: [QmpEvent] }> {
  readonly #socket: Socket
  readonly #waiting = new Map<number, Waiting>()
  #id = 0

  /** @param socket to QEMU's monitor, which this object owns from now on. */
  constructor(socket: Socket) {
    super()
    this.#socket = socket
    const lines = createInterface({ input: socket })
    lines.on('line', (line) => this.#receive(line))
    // readline passes the socket's errors on. 'close' follows each, and rejects what waits.
    for (const emitter of [socket, lines]) emitter.on('error', () => {})
    socket.on('close', () => {
      for (const waiting of this.#waiting.values()) {
        waiting.reject(new Error('QEMU has closed its monitor'))
      }
      this.#waiting.clear()
    })
  }

  /** Leaves the monitor's negotiation mode: the first thing to do. */
  async negotiate(): Promise<void> {
    await this.execute('qmp_capabilities')
  }

  /** Runs a command and resolves with what it returns; rejects with QEMU's message. */
  execute(command: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const id = ++this.#id
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: parameters, id })}\r\n`)
    })
  }

  /**
   * Resolves with the first event from now on for which `isWanted` is true.
   *
   * @param signal aborting it removes the listener. The promise then stays pending.
   */
  next(isWanted: (event: QmpEvent) => boolean, signal?: AbortSignal): Promise<QmpEvent> {
    return new Promise((resolve) => {
      const look = (event: QmpEvent): void => {
        if (!isWanted(event)) return
        this.off('event', look)
        resolve(event)
      }
      this.on('event', look)
      signal?.addEventListener('abort', () => this.off('event', look), { once: true })
    })
  }

  #receive(line: string): void {
    const message = JSON.parse(line) as QmpMessage
    if (message.event !== undefined) {
      this.emit('event', message as QmpEvent)
      return
    }
    const { id = 0 } = message
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    this.#waiting.delete(id)
    if (message.error === undefined) waiting.resolve(message.return)
    else waiting.reject(new Error(`QMP: ${message.error.desc}`))
  }
}
