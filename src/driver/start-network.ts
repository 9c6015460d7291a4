import { randomInt } from 'node:crypto'
import { type GuestNic, networkScript } from '../guest/network.ts'
import type { Nic } from '../machine/options.ts'
import { Resources } from '../machine/resources.ts'
import { RuntimeFolder } from '../machine/runtime-folder.ts'
import {
  type Station,
  hostsLines,
  ipv4Address,
  ipv6Address,
  macAddress,
  stationsOf,
} from '../network/addresses.ts'
import { Switch } from '../network/switch.ts'
import { type Start, bootAll, disposeOfAll } from './boot-all.ts'
import { type Network, networkOf } from './network.ts'
import type { NetworkChange } from './network-change.ts'

/** The options of a machine that its network reads. */
export interface NetworkedOptions {
  /** The broadcast domains that it has a NIC in; eth1 is in the first. Default: 1. */
  readonly vlans?: readonly number[]
}

/** What a network is made of. */
export interface NetworkOptions<Name extends string, Options> {
  /** The machines, and how each is booted. The key is the machine's name, and its host name. */
  readonly machines: Readonly<Record<Name, Options>>
  /** The seed of loss and jitter: with the same seed a link loses the same frames. Default: random. */
  readonly seed?: number
  /** The folder for captures whose file is a relative path. Default: the current directory. */
  readonly folder?: string
  /** Gets a line when a NIC breaks the protocol, and when a capture is full. */
  readonly log?: (line: string) => void
  /** Hears each change of the network while it runs. */
  readonly onChange?: (change: NetworkChange) => void
}

/** A machine's place in a network: what it has to be booted with. */
export interface Seat {
  readonly hostname: string
  /** Its NICs. The sockets listen already. */
  readonly nics: readonly Nic[]
  /** For busybox's shell in the guest's root, before its init: see {@link networkScript}. */
  readonly script: string
  /** Aborted when another machine of the network has failed to boot. */
  readonly signal: AbortSignal
  /** Unplugs the machine's cables. */
  block(): void
  /** Plugs them in again. */
  unblock(): void
}

/** How machines are booted. */
export interface Booter<Options, M> {
  boot(options: Options, seat: Seat): Promise<M>
  memoryMiB(options: Options): number
}

/** VLANs of a machine that names none. */
const DEFAULT_VLANS = [1]

/**
 * Boots the machines of a network and resolves once all of them are ready.
 *
 * @throws Error when one cannot be booted, with its name. Nothing is left behind then.
 */
export async function startNetwork<
  Name extends string,
  Options extends NetworkedOptions,
  M extends AsyncDisposable,
>(options: NetworkOptions<Name, Options>, booter: Booter<Options, M>): Promise<Network<Name, M>> {
  const { machines, seed = randomInt(2 ** 31), folder = '.', log, onChange } = options
  const each = Object.entries<Options>(machines)
  const stations = stationsOf(
    Object.fromEntries(each.map(([name, { vlans = DEFAULT_VLANS }]) => [name, vlans])),
  )

  const resources = new Resources()
  try {
    const sockets = resources.use(RuntimeFolder.create())
    const ethernet = resources.use(new Switch({ seed, log: log ?? (() => {}) }))
    const starts: Start<M>[] = []
    for (const station of stations) {
      const own = machines[station.name as Name]
      const seat = await takeSeat(station, stations, ethernet, sockets)
      starts.push({
        name: station.name,
        memoryMiB: booter.memoryMiB(own),
        boot: (signal) => booter.boot(own, { ...seat, signal }),
      })
    }
    const booted = await bootAll(starts)
    resources.defer(() => disposeOfAll(booted))
    const named = stations.map(({ name }, i) => [name, booted[i]])
    return networkOf(Object.fromEntries(named) as Record<Name, M>, {
      stations,
      ethernet,
      seed,
      folder,
      onChange: onChange ?? (() => {}),
      resources,
    })
  } catch (error) {
    await resources[Symbol.asyncDispose]()
    throw error
  }
}

/** Plugs a machine's NICs into the switch. */
async function takeSeat(
  station: Station,
  stations: readonly Station[],
  ethernet: Switch,
  sockets: RuntimeFolder,
): Promise<Omit<Seat, 'signal'>> {
  const { name, number, vlans } = station
  const nics: Nic[] = []
  const guestNics: GuestNic[] = []
  for (const [i, vlan] of vlans.entries()) {
    const socket = sockets.file(`${number}-${vlan}.sock`)
    const mac = macAddress(vlan, number)
    await ethernet.plug({ socket, machine: name, vlan })
    nics.push({ socket, mac })
    guestNics.push({
      name: `eth${i + 1}`,
      mac,
      ipv4: ipv4Address(vlan, number),
      ipv6: ipv6Address(vlan, number),
    })
  }
  return {
    hostname: name,
    nics,
    script: networkScript(guestNics, hostsLines(station, stations)),
    block: () => ethernet.links.block(name),
    unblock: () => ethernet.links.unblock(name),
  }
}
