import type { Clock } from './clock.ts'
import { PcapFile } from './pcap-file.ts'

/** Which frames to capture: those that meet all conditions. Without any condition: each frame once, when its NIC sends it. */
export interface CaptureFilter {
  /** Only this broadcast domain. */
  readonly vlan?: number
  /** Only frames that this machine's NICs send or receive. */
  readonly machine?: string
  /** Only frames that arrive at one of these machines from the other: not those that are lost or under way. */
  readonly link?: readonly [string, string]
}

/** What to capture, and how much. */
export interface CaptureOptions extends CaptureFilter {
  /** The largest size of the file in bytes; later frames are left out, with a line in the log. Default: 1 GiB. */
  readonly limit?: number
}

/** Where a frame was seen: when a NIC sent it, or on its arrival at another. */
export interface Sighting {
  readonly vlan: number
  readonly from: string
  /** The machine at which it arrives; undefined when it has just been sent. */
  readonly to?: string
}

const LIMIT = 1 << 30

/** Writes frames of a network into a file until it is stopped. */
export class Capture implements Disposable {
  readonly file: string
  readonly #options: CaptureOptions
  readonly #log: (line: string) => void
  readonly #pcap: PcapFile
  readonly #onStop: (capture: Capture) => void
  #frames = 0
  #state: 'running' | 'full' | 'stopped' = 'running'

  /** Replaces a file that exists. @throws Node's error when the file cannot be made. */
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

  /** Adds a frame if the filter wants it. */
  see(sighting: Sighting, frame: Buffer): void {
    if (this.#state !== 'running' || !isWanted(this.#options, sighting)) return
    const { limit = LIMIT } = this.#options
    if (this.#pcap.size + frame.length > limit) {
      this.#state = 'full'
      this.#log(
        `network: the capture ${this.file} has reached its limit of ${limit} bytes: later frames are left out`,
      )
      return
    }
    this.#pcap.write(frame)
    this.#frames++
  }

  /**
   * Writes the frames that are not written yet, and closes the file.
   *
   * @throws Node's error when writing has failed, now or before.
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
