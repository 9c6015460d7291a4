import type { Clock } from './clock.ts'
import { PcapFile } from './pcap-file.ts'

/** Which frames a capture has; of several conditions, those that meet all. Without any: what every card sends, once. */
export interface CaptureFilter {
  /** Only this broadcast domain. */
  readonly vlan?: number
  /** What this machine's cards send, and what arrives at them. */
  readonly machine?: string
  /** What arrives at one of these two from the other: neither what is lost on the way nor what is under way. */
  readonly link?: readonly [string, string]
}

/** A capture's file and its size. */
export interface CaptureOptions extends CaptureFilter {
  /** Bytes that the file may have; what comes later is left out, with a line in the log. Default: 1 GiB. */
  readonly limit?: number
}

/** Where a frame was seen: as it came from a card, or on its arrival at another. */
export interface Sighting {
  readonly vlan: number
  readonly from: string
  /** The machine where it arrives; without one, it was only just sent. */
  readonly to?: string
}

const LIMIT = 1 << 30

/** Frames of a network on their way into a file, until it is told to stop. */
export class Capture implements Disposable {
  readonly file: string
  readonly #options: CaptureOptions
  readonly #log: (line: string) => void
  readonly #pcap: PcapFile
  readonly #onStop: (capture: Capture) => void
  #frames = 0
  #state: 'running' | 'full' | 'stopped' = 'running'

  /** @throws Node's error when the file cannot be made. One that is there already is replaced. */
  constructor(
    file: string,
    options: CaptureOptions,
    clock: Clock,
    log: (line: string) => void,
    onStop: (capture: Capture) => void,
  ) {
    this.file = file
    this.#options = options
    this.#log = log
    this.#onStop = onStop
    this.#pcap = new PcapFile(file, clock)
  }

  /** How many frames the file has. */
  get frames(): number {
    return this.#frames
  }

  /** Takes a frame in, if it is one of those wanted. */
  see(sighting: Sighting, frame: Buffer): void {
    if (this.#state !== 'running' || !isWanted(this.#options, sighting)) return
    const { limit = LIMIT } = this.#options
    if (this.#pcap.size + frame.length > limit) {
      this.#state = 'full'
      this.#log(`network: ${this.file} has reached ${limit} bytes: it gets no more frames`)
      return
    }
    this.#pcap.write(frame)
    this.#frames++
  }

  /**
   * Writes what is not written yet, and no more after that.
   *
   * @throws Node's error when the file could not be written at some time.
   */
  stop(): void {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    this.#onStop(this)
    this.#pcap.close()
  }

  /** As {@link stop}. */
  [Symbol.dispose](): void {
    this.stop()
  }
}

function isWanted({ vlan, machine, link }: CaptureFilter, sighting: Sighting): boolean {
  const { from, to } = sighting
  if (vlan !== undefined && vlan !== sighting.vlan) return false
  const isBetween = to !== undefined && link?.includes(from) === true && link.includes(to)
  if (link !== undefined && !isBetween) return false
  if (machine !== undefined) return (to ?? from) === machine
  return isBetween || to === undefined
}
