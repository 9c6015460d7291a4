import { Capture, type CaptureOptions } from './capture.ts'
import { type Clock, systemClock } from './clock.ts'
import { HEADER_BYTES, destinationOf, isGroup, sourceOf } from './ethernet.ts'
import { Links } from './links.ts'
import { MacTable } from './mac-table.ts'
import { Port } from './port.ts'

/** Where a network card is to be plugged in. */
export interface PlugOptions {
  /** A path at which nothing is; the card's QEMU connects to it. */
  readonly socket: string
  /** The machine that the card is of: one card of a machine in each VLAN. */
  readonly machine: string
  readonly vlan: number
}

/** What a switch is made of. */
export interface SwitchOptions {
  /** Of all that is left to chance on its links. */
  readonly seed: number
  /** Gets a line when a card breaks the protocol, and when a capture is full. */
  readonly log: (line: string) => void
  readonly clock?: Clock
}

/** A broadcast domain: what is sent in it reaches nobody outside. */
interface Vlan {
  readonly ports: Set<Port>
  readonly table: MacTable<Port>
}

/**
 * An Ethernet switch in this process. It learns behind which port an address is (IEEE 802.1D, 7.8), and sends what
 * it cannot place to all ports of the VLAN. Guests are not trusted: no card can make it hold more than a bounded
 * number of frames and addresses, or keep others from being served.
 */
export class Switch implements AsyncDisposable {
  /** What lies between the machines that are plugged in. */
  readonly links: Links
  readonly #clock: Clock
  readonly #log: (line: string) => void
  readonly #vlans = new Map<number, Vlan>()
  readonly #captures = new Set<Capture>()

  constructor({ seed, log, clock = systemClock }: SwitchOptions) {
    this.#clock = clock
    this.#log = log
    this.links = new Links(clock, seed)
  }

  /** Makes a port. @throws as {@link Port.open}. */
  async plug({ socket, machine, vlan }: PlugOptions): Promise<Port> {
    let domain = this.#vlans.get(vlan)
    if (domain === undefined) {
      domain = { ports: new Set(), table: new MacTable(this.#clock) }
      this.#vlans.set(vlan, domain)
    }
    const { ports, table } = domain
    const port = await Port.open({
      socket,
      machine,
      vlan,
      onFrame: (from, frame) => this.#receive(domain, from, frame),
      onGone: (gone) => table.forget(gone),
      log: this.#log,
    })
    ports.add(port)
    return port
  }

  /**
   * Writes frames into a file, in the pcap format, until the capture is stopped or the switch disposed of.
   *
   * @throws Node's error when the file cannot be made. One that is there already is replaced.
   */
  capture(file: string, options: CaptureOptions = {}): Capture {
    const capture = new Capture(file, options, this.#clock, this.#log, (stopped) => {
      this.#captures.delete(stopped)
    })
    this.#captures.add(capture)
    return capture
  }

  /**
   * Cuts all cards off; what is under way is lost, and captures are complete.
   *
   * @throws the first error of a capture that could not be written.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const { ports } of this.#vlans.values()) {
      for (const port of ports) await port[Symbol.asyncDispose]()
    }
    this.links.close()
    const failures: unknown[] = []
    for (const capture of this.#captures) {
      try {
        capture.stop()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }

  #receive({ ports, table }: Vlan, from: Port, frame: Buffer): void {
    // Pulled out, its cable carries nothing, and nothing is to be learned from it.
    if (this.links.isBlocked(from.machine)) return
    // Nobody's address is that of a group: Linux's bridge drops these as well (br_handle_frame).
    if (frame.length < HEADER_BYTES || isGroup(sourceOf(frame))) {
      from.counters.malformed++
      return
    }
    this.#see(from, undefined, frame)
    table.learn(sourceOf(frame), from)
    const to = table.find(destinationOf(frame))
    if (to !== undefined) {
      if (to !== from) this.#carry(from, to, frame)
      return
    }
    for (const port of ports) if (port !== from) this.#carry(from, port, frame)
  }

  #carry(from: Port, to: Port, frame: Buffer): void {
    this.links.path(from.machine, to.machine).send(frame, (arrived) => {
      this.#see(from, to, arrived)
      to.send(arrived)
    })
  }

  #see({ machine: from, vlan }: Port, to: Port | undefined, frame: Buffer): void {
    if (this.#captures.size === 0) return
    const sighting = to === undefined ? { vlan, from } : { vlan, from, to: to.machine }
    for (const capture of this.#captures) capture.see(sighting, frame)
  }
}
