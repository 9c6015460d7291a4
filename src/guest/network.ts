import { quote } from '../util/shell.ts'
import { OWN_LINE } from './names.ts'

/** A NIC of the guest that is in a network with other machines. */
export interface GuestNic {
  /** The name that it gets: eth1, … */
  readonly name: string
  /** In lower case, as the kernel shows it. */
  readonly mac: string
  /** Without the prefix length, which is 24. */
  readonly ipv4: string
  /** Without the prefix length, which is 64. */
  readonly ipv6: string
}

/**
 * A script for busybox's shell that names the guest's NICs, gives them addresses, and writes the other machines into
 * /etc/hosts. It runs in the guest's root, before its own init, and fails with a line on its standard error.
 *
 * The script finds a NIC by its MAC address, since the kernel names NICs in an order of its own. It renames each NIC, also
 * where the name is right already: systemd's udev keeps a name that a program has given (NamePolicy=keep in
 * systemd.link(5)).
 *
 * @param hosts lines for /etc/hosts, put before those that the root has: the first answer counts. The script removes the
 *   lines of an earlier boot, which an upper layer on a disk keeps.
 */
export function networkScript(nics: readonly GuestNic[], hosts: readonly string[]): string {
  return `b=/run/lowerdir/busybox
die() { echo "lowerdir: network: $*" >&2; exit 1; }

# The present name of the NIC with this address.
nic() {
  $b ip -o link | while read -r number name rest; do
    case $rest in *"link/ether $1 "*) echo "\${name%%[:@]*}" ;; esac
  done
}

# First out of each other's way.
away() {
  name=$(nic "$1")
  [ -n "$name" ] || die "there is no NIC with the address $1"
  $b ip link set "$name" down && $b ip link set "$name" name "$2" || die "$name cannot be renamed"
}

# set_up TEMPORARY NAME IPV4 IPV6: no other machine has these addresses, so duplicates are not looked for (accept_dad).
set_up() {
  $b ip link set "$1" name "$2" || die "the name $2 is taken"
  [ -d /proc/sys/net/ipv6 ] && echo 0 >"/proc/sys/net/ipv6/conf/$2/accept_dad"
  $b ip link set "$2" up && $b ip addr add "$3/24" broadcast + dev "$2" || die "$2 cannot have the address $3"
  [ ! -d /proc/sys/net/ipv6 ] || $b ip -6 addr add "$4/64" dev "$2" || die "$2 cannot have the address $4"
}

${nics.map(({ mac }, i) => `away ${quote(mac)} lowerdir${i}\n`).join('')}
${nics.map(({ name, ipv4, ipv6 }, i) => `set_up lowerdir${i} ${name} ${ipv4} ${ipv6}\n`).join('')}
$b mkdir -p /etc
# A symlink that leads nowhere could not be written to.
[ -e /etc/hosts ] || $b rm -f /etc/hosts
{
  $b printf '%s\\n' ${hosts.map((line) => quote(line + OWN_LINE)).join(' ')}
  [ ! -e /etc/hosts ] || $b sed '/${OWN_LINE}$/d' /etc/hosts
} >/run/lowerdir/hosts && $b cat /run/lowerdir/hosts >/etc/hosts || die '/etc/hosts cannot be written'
`
}
