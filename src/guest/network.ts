import { quote } from '../util/shell.ts'

/** A network card of the guest that is in a network with other machines. */
export interface GuestCard {
  /** What the guest is to call it: eth1, … */
  readonly name: string
  /** In lower case, as the kernel shows it. */
  readonly mac: string
  /** Without a prefix length: that is 24. */
  readonly ipv4: string
  /** Without a prefix length: that is 64. */
  readonly ipv6: string
}

/** How a line of /etc/hosts ends that the script below has written: as a comment (hosts(5)). */
const OWN_LINE = ' # lowerdir'

/**
 * A script for busybox's shell that gives the guest's cards their names and addresses and the other machines theirs.
 * It runs in the guest's root, before its own init, and fails with a line on its standard error.
 *
 * Cards are told apart by their addresses, since the kernel names them in an order of its own. Each is renamed,
 * also where its name is right already: what a program has named, systemd's udev leaves alone (NamePolicy=keep in
 * systemd.link(5)).
 *
 * @param hosts lines for /etc/hosts, put before those that the root has: the first answer counts. What an earlier boot
 *   has put there is taken out, since an upper layer may outlast it.
 */
export function networkScript(cards: readonly GuestCard[], hosts: readonly string[]): string {
  return `b=/run/lowerdir/busybox
die() { echo "lowerdir: network: $*" >&2; exit 1; }

# The present name of the card with this address.
card() {
  $b ip -o link | while read -r number name rest; do
    case $rest in *"link/ether $1 "*) echo "\${name%%[:@]*}" ;; esac
  done
}

# First out of each other's way.
away() {
  name=$(card "$1")
  [ -n "$name" ] || die "there is no card with the address $1"
  $b ip link set "$name" down && $b ip link set "$name" name "$2" || die "$name cannot be renamed"
}

# set_up TEMPORARY NAME IPV4 IPV6: the addresses are nobody else's, so nothing waits for duplicates to show up.
set_up() {
  $b ip link set "$1" name "$2" || die "the name $2 is taken"
  [ -d /proc/sys/net/ipv6 ] && echo 0 >"/proc/sys/net/ipv6/conf/$2/accept_dad"
  $b ip link set "$2" up && $b ip addr add "$3/24" broadcast + dev "$2" || die "$2 cannot have the address $3"
  [ ! -d /proc/sys/net/ipv6 ] || $b ip -6 addr add "$4/64" dev "$2" || die "$2 cannot have the address $4"
}

${cards.map(({ mac }, i) => `away ${quote(mac)} lowerdir${i}\n`).join('')}
${cards.map(({ name, ipv4, ipv6 }, i) => `set_up lowerdir${i} ${name} ${ipv4} ${ipv6}\n`).join('')}
$b mkdir -p /etc
# A symlink that leads nowhere could not be written to.
[ -e /etc/hosts ] || $b rm -f /etc/hosts
{
  $b printf '%s\\n' ${hosts.map((line) => quote(line + OWN_LINE)).join(' ')}
  [ ! -e /etc/hosts ] || $b sed '/${OWN_LINE}$/d' /etc/hosts
} >/run/lowerdir/hosts && $b cat /run/lowerdir/hosts >/etc/hosts || die '/etc/hosts cannot be written'
`
}
