import { quote } from '../util/shell.ts'

/** What a machine that goes on from a snapshot may have of its own. */
export interface GuestIdentity {
  /** A UUID in lower case. */
  readonly bootId: string
  /** Addresses of its NICs, as the kernel shows them. There may be more of them than NICs. */
  readonly macs: readonly string[]
}

/**
 * A script for a shell in the guest's root that gives the guest a boot_id and its NICs addresses. The kernel has no way to
 * change its boot_id, so another file is mounted over it. Each NIC announces its address (arp_notify).
 */
export function identityScript({ bootId, macs }: GuestIdentity): string {
  return `b=/run/lowerdir/busybox
file=/proc/sys/kernel/random/boot_id
echo ${quote(bootId)} >/run/lowerdir/boot_id || exit
$b grep -q " $file " /proc/self/mountinfo || $b mount -o bind /run/lowerdir/boot_id $file || exit
set -- ${macs.map(quote).join(' ')}
for device in /sys/class/net/*/device; do
  [ -e "$device" ] && [ $# -gt 0 ] || continue
  nic=\${device%/device} nic=\${nic##*/}
  notify=/proc/sys/net/ipv4/conf/$nic/arp_notify
  read -r before <"$notify"
  echo 1 >"$notify"
  $b ip link set dev "$nic" address "$1" || exit
  echo "$before" >"$notify"
  shift
done
`
}
