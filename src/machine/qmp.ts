import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'

/**
 * The longest line of QEMU's, in characters (16 Mi). The longest that it sends are lists of devices and texts for people, of
 * some hundred thousand.
 */
const LINE = 16 << 20

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
  /** The pieces of the line that has not ended yet, and their length. */
  #line: string[] = []
  #lineLength = 0
  /** Why there is no monitor any more. */
  #closed: Error | undefined

  /** @param socket to QEMU's monitor, which this object owns from now on. */
  constructor(socket: Socket) {
    super()
    this.#socket = socket
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => this.#add(text))
    // 'close' follows, and rejects what waits.
    socket.on('error', () => {})
    socket.on('close', () => this.#close(new Error('QEMU has closed its monitor')))
  }

  /** Leaves the monitor's negotiation mode: the first thing to do. */
  async negotiate(): Promise<void> {
    await this.execute('qmp_capabilities')
  }

  /** Runs a command and resolves with what it returns; rejects with QEMU's message, or when there is no monitor any more. */
  execute(command: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const id = ++this.#id
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) throw this.#closed
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

  #add(text: string): void {
    if (this.#closed !== undefined) return
    const [first = '', ...others] = text.split('\n')
    this.#line.push(first)
    this.#lineLength += first.length
    for (const next of others) {
      if (this.#closed !== undefined) return
      const line = this.#line.join('')
      this.#line = [next]
      this.#lineLength = next.length
      if (line.trim() !== '') this.#receive(line)
    }
    if (this.#lineLength > LINE)
      this.#fail(`QEMU's monitor sends a line of over ${LINE} characters`)
  }

  /** The monitor is of no use any more: what QEMU sends is no QMP. */
  #fail(why: string): void {
    this.#close(new Error(why))
    this.#socket.destroy()
  }

  #close(reason: Error): void {
    this.#closed ??= reason
    this.#line = []
    for (const waiting of this.#waiting.values()) waiting.reject(this.#closed)
    this.#waiting.clear()
  }

  #receive(line: string): void {
    const message = parse(line)
    if (message === undefined) {
      this.#fail(`QEMU's monitor sends what is no QMP: ${line.slice(0, 100)}`)
      return
    }
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

/** Undefined for a line that is no object of JSON. */
function parse(line: string): QmpMessage | undefined {
  try {
    const parsed: unknown = JSON.parse(line)
    return typeof parsed === 'object' && parsed !== null ? parsed : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
