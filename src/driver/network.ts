import { resolve } from 'node:path'
import { type Station, ipv4Address, ipv6Address } from '../network/addresses.ts'
import type { Capture, CaptureOptions } from '../network/capture.ts'
import type { LinkConditions } from '../network/conditions.ts'
import type { PathCounters } from '../network/path.ts'
import type { Switch } from '../network/switch.ts'
import type { NetworkChange } from './network-change.ts'

/** What a network consists of, beside its machines. */
export interface NetworkParts {
  readonly stations: readonly Station[]
  readonly ethernet: Switch
  /** Of all that is left to chance on its links. */
  readonly seed: number
  /** Where captures go whose file is a relative path. */
  readonly folder: string
  readonly onChange: (change: NetworkChange) => void
  /** Owns the machines and all of the above. */
  readonly resources: AsyncDisposable
}

/**
 * Machines that reach each other, by their names, through an Ethernet switch in this process.
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
  /** What to give to `network()` for the same loss and jitter again. */
  readonly seed: number
  readonly #parts: NetworkParts

  constructor(machines: Readonly<Record<Name, M>>, parts: NetworkParts) {
    this.machines = machines
    this.seed = parts.seed
    this.#parts = parts
  }

  /**
   * Sets what befalls frames between two machines, in both directions, in place of what was set before.
   *
   * ```ts
   * net.link('client', 'server', { delay: 50, jitter: 10, loss: 0.01, bandwidth: 1_000_000 })
   * net.link('client', 'server', {})   // a good link again
   * ```
   *
   * @throws RangeError for a condition out of its range, Error for a name that is no machine's.
   */
  link(a: Name, b: Name, conditions: LinkConditions): void {
    this.linkOneWay(a, b, conditions)
    this.linkOneWay(b, a, conditions)
  }

  /**
   * As {@link link}, but only for frames from the first machine to the second.
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
   * Parts machines: nothing gets from one side to another until {@link heal}, and what is on its way there is lost.
   * Whoever is on no side reaches all. With one side only, the other is everybody else. Partitions add up.
   *
   * ```ts
   * net.partition(['a'], ['b', 'c'])
   * net.partition('a')   // the same among three machines
   * ```
   *
   * @throws Error for a machine on two sides, and for a name that is no machine's.
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

  /** Undoes all partitions. The conditions of links stay, and so do cables that are pulled out. */
  heal(): void {
    this.#parts.ethernet.links.heal()
    this.#changed({ kind: 'heal' })
  }

  /** Pulls all of a machine's cables out: nothing reaches it, and it reaches nobody. Its cards do not notice. */
  block(machine: Name): void {
    this.#parts.ethernet.links.block(this.#station(machine).name)
    this.#changed({ kind: 'block', machine })
  }

  /** Plugs them in again. */
  unblock(machine: Name): void {
    this.#parts.ethernet.links.unblock(this.#station(machine).name)
    this.#changed({ kind: 'unblock', machine })
  }

  /**
   * Writes frames into a file that Wireshark opens, until the capture is stopped or the network is over.
   *
   * Without further options these are the frames that the machines send, each once, whether they arrive or not.
   * `{ vlan }` is only those of a VLAN; `{ machine }` what this machine sends and what arrives there; `{ link }` what
   * arrives at one of two machines from the other.
   *
   * ```ts
   * net.capture('all.pcap')
   * using capture = net.capture('link.pcap', { link: ['client', 'server'] })
   * ```
   *
   * @throws Node's error when the file cannot be made. One that is there already is replaced.
   */
  capture(file: string, options: CaptureOptions = {}): Capture {
    const { machine, link = [] } = options
    for (const name of machine === undefined ? link : [machine, ...link]) this.#station(name)
    const path = resolve(this.#parts.folder, file)
    const capture = this.#parts.ethernet.capture(path, options)
    this.#changed({ kind: 'capture', file: path })
    return capture
  }

  /** What has become of the frames from one machine to another: how many arrived, how many were lost. */
  traffic(from: Name, to: Name): Readonly<PathCounters> {
    return { ...this.#pathBetween(from, to).counters }
  }

  /**
   * A machine's addresses, which are those that NixOS's tests give it: its number, from 1 in the order of the
   * names, is the last part.
   *
   * @param vlan in which to reach it. Default: the machine's first one.
   * @throws Error when it has no card there.
   */
  addresses(machine: Name, vlan?: number): { readonly ipv4: string; readonly ipv6: string } {
    const { name, number, vlans } = this.#station(machine)
    const chosen = vlan ?? vlans[0]
    if (chosen === undefined || !vlans.includes(chosen))
      throw new Error(
        `The machine ${name} has no card in ${vlan === undefined ? 'any VLAN' : `VLAN ${vlan}`}.`,
      )
    return { ipv4: ipv4Address(chosen, number), ipv6: ipv6Address(chosen, number) }
  }

  /** Ends the machines at once, then the network, and completes its captures. */
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
