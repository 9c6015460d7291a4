import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Machine } from '../machine.ts'
import { GREETING, MessageReader, PING } from './dbus.ts'
import { managerOptions } from './systemctl.ts'

/** How long until another attempt where systemd cannot be listened to, in milliseconds. */
const RETRY = 1000

/** Joins its standard streams to the socket; every systemd has it. */
const BRIDGE =
  'exec systemd-stdio-bridge --bus-path="unix:path=${XDG_RUNTIME_DIR:-/run}/systemd/private"'

/** Stands for every object, where it is not known what happened. */
const ANYTHING = ''

/** The object that says when jobs are over. */
export const MANAGER_PATH = '/org/freedesktop/systemd1'

/**
 * What a systemd of the guest says of its units while this is listened to. It is heard on systemd's private socket,
 * which is there from its first moment on, and where everybody is told everything; a bus comes late in a boot, if ever.
 */
export class ManagerSignals implements AsyncDisposable {
  readonly #machine: Machine
  readonly #user: string | undefined
  readonly #stop = new AbortController()
  readonly #listening: Promise<void>
  readonly #heard = new Set<string>()
  #wake: () => void = () => {}

  /** @param user whose systemd; without one, the system's. */
  private constructor(machine: Machine, user: string | undefined, isThere: () => void) {
    this.#machine = machine
    this.#user = user
    this.#listening = this.#listen(isThere)
  }

  /**
   * Resolves once nothing is missed any more, or where there is nobody to listen to: then something may have happened
   * once a second.
   */
  static async open(machine: Machine, user: string | undefined): Promise<ManagerSignals> {
    let signals!: ManagerSignals
    await new Promise<void>((resolve) => {
      signals = new ManagerSignals(machine, user, resolve)
    })
    return signals
  }

  /**
   * Resolves when something has happened to one of these objects, or may have, since the last time that this resolved.
   *
   * @throws the signal's reason when it is aborted.
   */
  async next(paths: readonly string[], signal: AbortSignal): Promise<void> {
    const isOver = (): boolean =>
      this.#heard.has(ANYTHING) || paths.some((path) => this.#heard.has(path))
    const wake = (): void => this.#wake()
    signal.addEventListener('abort', wake)
    try {
      while (!isOver()) {
        signal.throwIfAborted()
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
      this.#heard.clear()
    } finally {
      signal.removeEventListener('abort', wake)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#listening
  }

  async #listen(isThere: () => void): Promise<void> {
    const { signal } = this.#stop
    let onReady = isThere
    while (!signal.aborted) {
      // It ends where systemd runs itself anew, and where there is none (yet).
      await this.#connect(onReady).catch(() => {})
      isThere()
      onReady = () => this.#hear(ANYTHING)
      await sleep(RETRY, undefined, { signal, ref: false }).catch(() => {})
      this.#hear(ANYTHING)
    }
  }

  async #connect(onReady: () => void): Promise<void> {
    const stdin = new PassThrough()
    stdin.write(Buffer.concat([Buffer.from(GREETING), PING]))
    const bridge = this.#machine.exec(BRIDGE, {
      ...managerOptions(this.#user),
      stdin,
      quiet: true,
      encoding: 'buffer',
      signal: this.#stop.signal,
    })
    const reader = new MessageReader()
    for await (const { stream, data } of bridge) {
      if (stream !== 'stdout') continue
      for (const { replySerial, path, member } of reader.add(data)) {
        if (replySerial !== 0) onReady()
        // The manager has something to say about all and sundry; what may matter is that a job is over.
        else if (path !== MANAGER_PATH || member === 'JobRemoved') this.#hear(path)
      }
    }
  }

  #hear(path: string): void {
    this.#heard.add(path)
    this.#wake()
  }
}
