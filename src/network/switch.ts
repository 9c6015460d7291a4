/**
 * The network between the machines of a test: an Ethernet switch with VLANs, links that can be slow, lossy or cut, and
 * captures of their frames.
 */

import { Capture, type CaptureOptions } from './capture.ts'
import { type Clock, systemClock } from './clock.ts'
import { HEADER_BYTES, destinationOf, isGroup, sourceOf } from './ethernet.ts'
import { Links } from './links.ts'
import { MacTable } from './mac-table.ts'
import { Port } from './port.ts'

/** The port to make for a NIC. */
export interface PlugOptions {
  /** The path of its socket, which must not exist yet; the NIC's QEMU connects to it. */
  readonly socket: string
  /** The machine that the NIC belongs to, which has one NIC in each VLAN. */
  readonly machine: string
  readonly vlan: number
}

/** Options of a switch. */
export interface SwitchOptions {
  /** The seed of the random numbers for loss and jitter on its links. */
  readonly seed: number
  /** Gets a line when a NIC breaks the protocol, and when a capture is full. */
  readonly log: (line: string) => void
  readonly clock?: Clock
}

/** A broadcast domain: frames do not leave it. */
interface Vlan {
  readonly ports: Set<Port>
  readonly table: MacTable<Port>
}

/**
 * An Ethernet switch in this process. It learns the port of each address (IEEE 802.1D, 7.8), and sends frames to
 * unknown addresses to all ports of the VLAN. Guests are not trusted: a NIC cannot make the switch hold more than a
 * bounded number of frames and addresses, nor keep it from serving others.
 */
export class Switch implements AsyncDisposable {
  /** The links between the machines. */
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
   * Writes frames into a file, in the pcap format, until the capture is stopped or the switch disposed of. Replaces a
   * file that exists.
   *
   * @throws Node's error when the file cannot be made.
   */
  capture(file: string, options: CaptureOptions = {}): Capture {
    const capture = new Capture(file, options, this.#clock, this.#log, (stopped) => {
      this.#captures.delete(stopped)
    })
    this.#captures.add(capture)
    return capture
  }

  /**
   * Disconnects all NICs, drops the frames that are under way, and completes the captures.
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
    // Its cable is unplugged, so the switch must not learn from the frame either.
    if (this.links.isBlocked(from.machine)) return
    // A group address cannot be a source: Linux's bridge drops such frames as well (br_handle_frame).
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
