import { PassThrough } from 'node:stream'
import { type Guest, isGuestError } from '../guest.ts'
import { anySignal, pause } from '../waits/wait.ts'
import { DBusError, GREETING, MessageReader, PING } from './dbus.ts'
import { managerOptions } from './systemctl.ts'

/** The pause before another attempt to connect to systemd, in milliseconds. */
const RETRY = 1000

/** Joins its standard streams to systemd's private socket. Every systemd comes with it. */
const BRIDGE =
  'exec systemd-stdio-bridge --bus-path="unix:path=${XDG_RUNTIME_DIR:-/run}/systemd/private"'

/** Stands for every object, after a time in which signals may have been missed. */
const ANYTHING = ''

/** How many objects' signals are remembered. Beyond that, any may have changed. */
const HEARD = 1024

/** The object whose signal JobRemoved reports the end of a job. */
export const MANAGER_PATH = '/org/freedesktop/systemd1'

/**
 * The signals that a systemd of the guest sends about its units. They come from systemd's private socket, which exists
 * from systemd's start on and sends all signals to each client. The bus starts late in a boot, or not at all.
 */
export class ManagerSignals implements AsyncDisposable {
  readonly #guest: Guest
  readonly #user: string | undefined
  readonly #stop = new AbortController()
  readonly #end: AbortSignal
  readonly #listening: Promise<void>
  /** The objects with signals since {@link next} resolved the last time. */
  readonly #heard = new Set<string>()
  /** Why no signals are received any more. */
  #failure: { readonly error: unknown } | undefined
  #wake: () => void = () => {}

  private constructor(
    guest: Guest,
    user: string | undefined,
    signal: AbortSignal,
    onReady: () => void,
  ) {
    this.#guest = guest
    this.#user = user
    this.#end = anySignal(this.#stop.signal, signal)
    this.#listening = this.#listen(onReady)
    // No Promise.race() of each wait with #listening: the race would keep memory for each wait as long as
    // #listening lasts.
    this.#listening.catch((error: unknown) => {
      this.#failure = { error }
      this.#wake()
    })
  }

  /**
   * Resolves once signals are received, or once the first attempt to connect has failed. Without a connection,
   * {@link next} resolves once a second, since the state may have changed.
   *
   * @param user a user of the guest, whose systemd it is; without one, the system's.
   * @param signal ends the listening, as disposing of it does.
   */
  static async open(
    guest: Guest,
    user: string | undefined,
    signal: AbortSignal,
  ): Promise<ManagerSignals> {
    let signals!: ManagerSignals
    await new Promise<void>((resolve, reject) => {
      signals = new ManagerSignals(guest, user, signal, resolve)
      signals.#listening.catch(reject)
    })
    return signals
  }

  /**
   * Resolves when one of these objects has sent a signal, or may have sent one, since this resolved the last time.
   *
   * @throws the signal's reason when it is aborted; a bug of the driver that has ended the listening.
   */
  async next(paths: readonly string[], signal: AbortSignal): Promise<void> {
    const isOver = (): boolean =>
      this.#heard.has(ANYTHING) || paths.some((path) => this.#heard.has(path))
    const wake = (): void => this.#wake()
    signal.addEventListener('abort', wake)
    try {
      while (!isOver()) {
        signal.throwIfAborted()
        if (this.#failure !== undefined) throw this.#failure.error
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

  async #listen(onReady: () => void): Promise<void> {
    const signal = this.#end
    let isFirst = true
    while (!signal.aborted) {
      try {
        await this.#connect(isFirst ? onReady : () => this.#hear(ANYTHING))
      } catch (error) {
        // systemd closes its connections when it re-executes itself, and early in a boot there is no systemd yet.
        if (error === signal.reason) return
        if (!isGuestError(error) && !(error instanceof DBusError)) throw error
      }
      if (isFirst) onReady()
      isFirst = false
      await pause(RETRY, signal)
      this.#hear(ANYTHING)
    }
  }

  /** Receives signals until the connection ends. @param onReady is called once no signal is missed any more. */
  async #connect(onReady: () => void): Promise<void> {
    const stdin = new PassThrough()
    stdin.write(Buffer.concat([Buffer.from(GREETING), PING]))
    const bridge = this.#guest.exec(BRIDGE, {
      ...managerOptions(this.#user),
      stdin,
      quiet: true,
      timeout: Infinity,
      encoding: 'buffer',
      signal: this.#end,
    })
    const reader = new MessageReader()
    for await (const { stream, data } of bridge) {
      if (stream !== 'stdout') continue
      for (const { replySerial, path, member } of reader.add(data)) {
        if (replySerial !== 0) onReady()
        // The manager has signals of many kinds. Only the end of a job can change a unit that is waited for.
        else if (path !== MANAGER_PATH || member === 'JobRemoved') this.#hear(path)
      }
    }
  }

  #hear(path: string): void {
    if (this.#heard.size >= HEARD) {
      this.#heard.clear()
      path = ANYTHING
    }
    this.#heard.add(path)
    this.#wake()
  }
}
