/**
 * The addresses of a network's machines, which are those of NixOS's tests: machine n of VLAN v is 192.168.v.n and
 * 2001:db8:v::n, and its card 52:54:00:12:v:n (in hexadecimal). Machines are numbered from 1 in the order of their
 * names, so a name is enough to know its addresses by.
 */
export interface Station {
  readonly name: string
  /** From 1. */
  readonly number: number
  /** The broadcast domains that it has a card in, in the order of its cards. */
  readonly vlans: readonly number[]
}

/** Most machines of a network, and the largest number of a VLAN: each is one byte of an address. */
const NUMBER_MAX = 254

/** One label of a host name (RFC 1123, 2.1). */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i

/**
 * Numbers the machines of a network.
 *
 * @throws Error for a name that is no host name, a VLAN that has no addresses, and more machines than there are.
 */
export function stationsOf(
  machines: Readonly<Record<string, readonly number[]>>,
): readonly Station[] {
  const names = Object.keys(machines).toSorted()
  if (names.length > NUMBER_MAX)
    throw new Error(`A network has ${NUMBER_MAX} machines at most, not ${names.length}.`)
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

/** The numbers' decimal digits, as NixOS has it. */
export function ipv6Address(vlan: number, number: number): string {
  return `2001:db8:${vlan}::${number}`
}

/**
 * The lines of /etc/hosts by which a machine finds the others and itself. A machine of several VLANs is found by
 * the first one that both are in; where there is none, by its first, which somebody may route to.
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
    `'${name}' cannot be a machine's name: it is its host name too, of letters, digits and '-', 63 at most.`,
  )
}

function checkVlans(name: string, vlans: readonly number[]): void {
  for (const vlan of vlans) {
    if (Number.isInteger(vlan) && vlan >= 1 && vlan <= NUMBER_MAX) continue
    throw new Error(
      `The machine ${name} is in VLAN ${vlan}: a VLAN is a number from 1 to ${NUMBER_MAX}.`,
    )
  }
  if (new Set(vlans).size < vlans.length)
    throw new Error(
      `The machine ${name} is in one VLAN twice (${vlans.join(', ')}): it has one card in each.`,
    )
}
