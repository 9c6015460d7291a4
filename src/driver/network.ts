import { resolve } from 'node:path'
import { type Station, ipv4Address, ipv6Address } from '../network/addresses.ts'
import type { CaptureOptions } from '../network/capture.ts'
import type { LinkConditions } from '../network/conditions.ts'
import type { PathCounters } from '../network/path.ts'
import type { Switch } from '../network/switch.ts'
import type { NetworkChange } from './network-change.ts'

/** The parts of a network, besides its machines. */
export interface NetworkParts {
  readonly stations: readonly Station[]
  readonly ethernet: Switch
  /** The seed of the random loss and jitter on its links. */
  readonly seed: number
  /** The folder that relative paths of captures start from. */
  readonly folder: string
  readonly onChange: (change: NetworkChange) => void
  /** Owns the machines and all of the above. */
  readonly resources: AsyncDisposable
}

/** A capture of a network's frames, as {@link Network.capture} starts it. */
export interface Capture extends Disposable {
  /** The absolute path of its file. */
  readonly file: string
  /** The number of frames in the file so far. */
  readonly frames: number
  /** Stops the capture and completes its file. Disposing of the capture does the same. */
  stop(): void
}

// What {@link Network} keeps private, set by the class itself.
let make: <Name extends string, M>(
  machines: Readonly<Record<Name, M>>,
  parts: NetworkParts,
) => Network<Name, M>

/** A network of its parts. Tests call `network()` instead. */
export function networkOf<Name extends string, M>(
  machines: Readonly<Record<Name, M>>,
  parts: NetworkParts,
): Network<Name, M> {
  return make(machines, parts)
}

/**
 * Machines that reach each other by their names, through an Ethernet switch in this process.
 *
 * ```ts
 * await using net = await network({ machines: { client: { root }, server: { root } } })
 * net.link('client', 'server', { delay: 50, loss: 0.1 })
 * await net.machines.client.succeed('ping -c 3 server')
 * ```
 */
export class Network<Name extends string, M> implements AsyncDisposable {
  /** The machines by their names. */
  readonly machines: Readonly<Record<Name, M>>
  /** Given to `network()` as `seed`, it repeats the same loss and jitter. */
  readonly seed: number
  readonly #parts: NetworkParts

  static {
    make = (machines, parts) => new Network(machines, parts)
  }

  private constructor(machines: Readonly<Record<Name, M>>, parts: NetworkParts) {
    this.machines = machines
    this.seed = parts.seed
    this.#parts = parts
  }

  /**
   * Sets the conditions of the link between two machines, in both directions. They replace those that were set before.
   *
   * ```ts
   * net.link('client', 'server', { delay: 50, jitter: 10, loss: 0.01, bandwidth: 1_000_000 })
   * net.link('client', 'server', {})   // a good link again
   * ```
   *
   * @throws RangeError for a condition out of its range; Error for a name that no machine has.
   */
  link(a: Name, b: Name, conditions: LinkConditions): void {
    this.linkOneWay(a, b, conditions)
    this.linkOneWay(b, a, conditions)
  }

  /**
   * As {@link link}, only for frames from the first machine to the second.
   *
   * ```ts
   * net.linkOneWay('server', 'client', { loss: 1 })   // requests arrive, replies do not
   * ```
   */
  linkOneWay(from: Name, to: Name, conditions: LinkConditions): void {
    this.#pathBetween(from, to).conditions = conditions
    this.#changed({ kind: 'link', from, to, conditions })
  }

  /**
   * Partitions the network: no frame gets from one side to another until {@link heal}, and frames on their way there are
   * lost. A machine on no side reaches all others. With one side given, all other machines are the second side.
   * Partitions add up.
   *
   * ```ts
   * net.partition(['a'], ['b', 'c'])
   * net.partition('a')   // the same among three machines
   * ```
   *
   * @throws Error for a machine on two sides, and for a name that no machine has.
   */
  partition(...sides: (Name | readonly Name[])[]): void {
    const lists: (readonly string[])[] = sides.map((side) =>
      typeof side === 'string' ? [side] : side,
    )
    const named = lists.flat()
    for (const name of named) this.#station(name)
    const twice = named.find((name, i) => named.indexOf(name) < i)
    if (twice !== undefined)
      throw new Error(`The machine ${twice} cannot be on two sides of a partition.`)
    if (lists.length === 1) {
      const names = this.#parts.stations.map(({ name }) => name)
      lists.push(names.filter((name) => !named.includes(name)))
    }

    const { links } = this.#parts.ethernet
    for (const [i, side] of lists.entries()) {
      const others = lists.slice(i + 1).flat()
      for (const a of side) for (const b of others) links.part(a, b)
    }
    this.#changed({ kind: 'partition', sides: lists })
  }

  /** Ends all partitions. Conditions of links stay, and cables that are pulled out stay out. */
  heal(): void {
    this.#parts.ethernet.links.heal()
    this.#changed({ kind: 'heal' })
  }

  /** Pulls all cables of a machine out: no frame gets to it or away from it. Its NICs still report a carrier. */
  block(machine: Name): void {
    this.#parts.ethernet.links.block(this.#station(machine).name)
    this.#changed({ kind: 'block', machine })
  }

  /** Plugs all cables of a machine in again. */
  unblock(machine: Name): void {
    this.#parts.ethernet.links.unblock(this.#station(machine).name)
    this.#changed({ kind: 'unblock', machine })
  }

  /**
   * Writes frames into a pcap file for Wireshark, until the capture is stopped or the network ends.
   *
   * Without options, it captures each frame that a machine sends once, also if the frame is lost. `{ vlan }` captures the
   * frames of one VLAN; `{ machine }` the frames that this machine sends, and those that arrive there; `{ link }` the
   * frames that arrive at one of two machines from the other.
   *
   * ```ts
   * net.capture('all.pcap')
   * using capture = net.capture('link.pcap', { link: ['client', 'server'] })
   * ```
   *
   * @param file is replaced if it exists.
   * @throws Node's error when the file cannot be made.
   */
  capture(file: string, options: CaptureOptions = {}): Capture {
    const { machine, link = [] } = options
    for (const name of machine === undefined ? link : [machine, ...link]) this.#station(name)
    const path = resolve(this.#parts.folder, file)
    const capture = this.#parts.ethernet.capture(path, options)
    this.#changed({ kind: 'capture', file: path })
    return capture
  }

  /** Counts of the frames from one machine to another: how many arrived, how many were lost. */
  traffic(from: Name, to: Name): Readonly<PathCounters> {
    return { ...this.#pathBetween(from, to).counters }
  }

  /**
   * A machine's addresses. They are those of NixOS's tests: the last part is the machine's number, which counts from 1 in
   * the order of the names.
   *
   * @param vlan default: the machine's first one.
   * @throws Error when the machine has no NIC in the VLAN.
   */
  addresses(machine: Name, vlan?: number): { readonly ipv4: string; readonly ipv6: string } {
    const { name, number, vlans } = this.#station(machine)
    const chosen = vlan ?? vlans[0]
    if (chosen === undefined || !vlans.includes(chosen))
      throw new Error(
        `The machine ${name} has no NIC in ${vlan === undefined ? 'any VLAN' : `VLAN ${vlan}`}.`,
      )
    return { ipv4: ipv4Address(chosen, number), ipv6: ipv6Address(chosen, number) }
  }

  /** Ends the machines at once, then the network, and completes the files of its captures. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.resources[Symbol.asyncDispose]()
  }

  #pathBetween(from: string, to: string): ReturnType<Switch['links']['path']> {
    if (from === to) throw new Error(`There is no link from the machine ${from} to itself.`)
    return this.#parts.ethernet.links.path(this.#station(from).name, this.#station(to).name)
  }

  #station(name: string): Station {
    const { stations } = this.#parts
    const station = stations.find((each) => each.name === name)
    if (station !== undefined) return station
    const names = stations.map((each) => each.name).join(', ')
    throw new Error(`There is no machine ${name} in this network, only ${names}.`)
  }

  #changed(change: NetworkChange): void {
    this.#parts.onChange(change)
  }
}
