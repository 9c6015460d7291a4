import type { Readable, Writable } from 'node:stream'

/** What Chromium answers, or tells by itself. */
interface Message {
  readonly id?: number
  readonly sessionId?: string
  readonly method?: string
  readonly params?: Readonly<Record<string, unknown>>
  readonly result?: Readonly<Record<string, unknown>>
  readonly error?: { readonly message: string }
}

type Result = Readonly<Record<string, unknown>>

interface Waiting {
  readonly method: string
  readonly resolve: (result: Result) => void
  readonly reject: (error: Error) => void
}

/**
 * The DevTools protocol over two pipes (`--remote-debugging-pipe`): messages are JSON, each with a NUL
 * behind it.
 */
export class Devtools {
  readonly #input: Writable
  readonly #waiting = new Map<number, Waiting>()
  readonly #listeners = new Set<(message: Message) => void>()
  #lastId = 0
  #rest = ''

  constructor(input: Writable, output: Readable) {
    this.#input = input
    output.setEncoding('utf8').on('data', (text: string) => this.#read(text))
    output.once('end', () => this.#end())
    // Its end is told by the other pipe.
    input.on('error', () => {})
  }

  /** Asks for something and resolves with the answer. */
  send(method: string, params: object = {}, sessionId?: string): Promise<Result> {
    this.#lastId += 1
    const id = this.#lastId
    this.#input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`)
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { method, resolve, reject })
    })
  }

  /** Calls `listener` for every event, until what is returned is called. */
  listen(listener: (message: Message) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #read(text: string): void {
    const messages = (this.#rest + text).split('\0')
    this.#rest = messages.pop() ?? ''
    for (const message of messages) this.#take(JSON.parse(message) as Message)
  }

  #take(message: Message): void {
    if (message.id === undefined) {
      for (const listener of this.#listeners) listener(message)
      return
    }
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (message.error === undefined) waiting?.resolve(message.result ?? {})
    else waiting?.reject(new Error(`${waiting.method}: ${message.error.message}`))
  }

  #end(): void {
    for (const { method, reject } of this.#waiting.values()) {
      reject(new Error(`${method}: Chromium has ended`))
    }
    this.#waiting.clear()
  }
}
