/**
 * A machine of a network, with the numbers that its addresses follow from. They are those of NixOS's tests: machine n
 * in VLAN v has 192.168.v.n and 2001:db8:v::n, and its NIC 52:54:00:12:v:n (in hexadecimal). Machines are numbered from
 * 1 in the order of their names, so the names tell the addresses.
 */
export interface Station {
  readonly name: string
  /** From 1. */
  readonly number: number
  /** The VLANs that it has a NIC in, in the order of its NICs. */
  readonly vlans: readonly number[]
}

/** The largest number of a machine and of a VLAN: each is one byte of an address. */
const NUMBER_MAX = 254

/** One label of a host name (RFC 1123, 2.1). */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i

/**
 * Numbers the machines of a network.
 *
 * @throws Error for a name that is not a host name, a VLAN outside of 1 to 254, and more than 254 machines.
 */
export function stationsOf(
  machines: Readonly<Record<string, readonly number[]>>,
): readonly Station[] {
  const names = Object.keys(machines).toSorted()
  if (names.length > NUMBER_MAX)
    throw new Error(
      `A network can have ${NUMBER_MAX} machines at most; this one has ${names.length}.`,
    )
  return names.map((name, i) => {
    const vlans = machines[name] ?? []
    checkName(name)
    checkVlans(name, vlans)
    return { name, number: i + 1, vlans }
  })
}

export function macAddress(vlan: number, number: number): string {
  return `52:54:00:12:${hex(vlan)}:${hex(number)}`
}

export function ipv4Address(vlan: number, number: number): string {
  return `192.168.${vlan}.${number}`
}

/** The digits of both numbers are decimal, as in NixOS's tests. */
export function ipv6Address(vlan: number, number: number): string {
  return `2001:db8:${vlan}::${number}`
}

/**
 * The lines of /etc/hosts with which the machine `self` resolves all names, its own included. Of a machine in several
 * VLANs they have the address in the first VLAN that both share; where they share none, that in the machine's first
 * VLAN, which a router between them may reach.
 */
export function hostsLines(self: Station, stations: readonly Station[]): string[] {
  return stations.flatMap(({ name, number, vlans }) => {
    const vlan = vlans.find((each) => self.vlans.includes(each)) ?? vlans[0]
    if (vlan === undefined) return []
    return [ipv4Address(vlan, number), ipv6Address(vlan, number)].map((each) => `${each} ${name}`)
  })
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}

function checkName(name: string): void {
  if (LABEL.test(name)) return
  throw new Error(
    `'${name}' cannot be the name of a machine: it is its host name too, of at most 63 letters, digits and '-'.`,
  )
}

function checkVlans(name: string, vlans: readonly number[]): void {
  for (const vlan of vlans) {
    if (Number.isInteger(vlan) && vlan >= 1 && vlan <= NUMBER_MAX) continue
    throw new Error(
      `The machine ${name} is in VLAN ${vlan}: the number of a VLAN has to be from 1 to ${NUMBER_MAX}.`,
    )
  }
  if (new Set(vlans).size < vlans.length)
    throw new Error(
      `The machine ${name} is in one VLAN twice (${vlans.join(', ')}): it can have one NIC in each. Name each VLAN once.`,
    )
}
