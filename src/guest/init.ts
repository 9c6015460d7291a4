import { prepareRoot } from './agent.ts'
import { CONTAINER_MARK, keepOwn } from './changes.ts'
import { EXPORT_GUEST, type GuestMount, USER_NETWORK, mountArguments } from './mount.ts'
import { quote } from '../util/shell.ts'
import { machineIdLines, maskLines } from './systemd.ts'
import { type UpperDevice, upperLines } from './upper.ts'

/** What process 1 becomes: the root's own init, which is systemd, or the agent. */
export type GuestInit = 'systemd' | 'none'

/** What the init script sets up. */
export interface InitOptions {
  readonly init: GuestInit
  /** The lower layer. */
  readonly root: GuestMount
  /** What the upper layer is on; without a disk, memory. */
  readonly upper: UpperDevice | null
  /** Further exports, each at an absolute path of the guest. */
  readonly shares: readonly (GuestMount & { readonly target: string })[]
  readonly control: GuestMount
  /** Names of the files in /modules, in the order to load them. */
  readonly modules: readonly string[]
  readonly hostname: string
  /** How many network cards the guest has beside the one that its exports are behind, which is the last. */
  readonly networkCards: number
  /** Units that systemd is not to start. */
  readonly maskedUnits: readonly string[]
  /** A script for busybox's shell in the root, before the init: further network cards are set up there. */
  readonly prepare: string
  /** Whether the first of them is on QEMU's user network, and what of it can be reached. */
  readonly userNetwork: 'none' | 'restricted' | 'open'
}

/** How a line on the console begins by which the guest tells the host how far it is. */
export const PHASE = 'lowerdir: phase '

/** How a line on the console begins by which the guest tells the host why it gives up. */
export const FAILED = 'lowerdir: failed: '

/** How far a guest is: its kernel runs, its root is mounted. */
export type GuestPhase = 'kernel' | 'root'

/**
 * The initramfs's /init, for busybox's shell: makes the root out of the lower layer and the upper one, starts the
 * agent, and becomes what process 1 of the guest is to be.
 *
 * What fails says so on the console, in a line that begins with {@link FAILED}, and powers the guest
 * off: the host then knows the reason.
 */
export function initScript(options: InitOptions): string {
  const { init, root, shares, control, modules, hostname } = options
  const { networkCards, maskedUnits, prepare, upper } = options
  return `#!/bin/sh
export PATH=/bin
phase() { echo "${PHASE}$1" >/dev/console; }
die() { echo "${FAILED}$*" >/dev/console; poweroff -f; sleep 60; }

mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t cgroup2 cgroup /cgroup
phase kernel
hostname ${quote(hostname)}
for module in ${modules.map(quote).join(' ')}; do
  insmod "/modules/$module" || die "the module $module does not load into this kernel"
done
ip link set lo up

# What runs in the root neither sees the card that the exports are behind nor can take it down.
${exportNetworkLines(`eth${networkCards}`)}
in_exports_net mount ${mountArguments(control)} /control || die 'the control channel cannot be mounted over 9P'
in_exports_net mount ${mountArguments(root)} /lower || die 'the root cannot be mounted over 9P'
${upperLines(upper)}# Inode numbers of the host may use all 64 bits: none are left to mark the layer with.
mount -t overlay -o lowerdir=/lower,upperdir=/upper/upper,workdir=/upper/work,xino=off overlay /root ||
  die 'overlayfs cannot be mounted over the root'
phase root

cd /root
mkdir -p dev proc sys run tmp
mount -t devtmpfs dev dev
mkdir -p dev/pts dev/shm
mount -t devpts -o mode=620,gid=5,ptmxmode=666 devpts dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
mount -t proc proc proc
mount -t sysfs sys sys
mount -t tmpfs -o mode=755 run run
${init === 'none' ? 'mkdir -p sys/fs/cgroup\nmount -t cgroup2 cgroup sys/fs/cgroup\n' : ''}${prepareRoot}
${userNetworkLines(options)}
# In the root, where absolute symlinks lead elsewhere than here.
within() { chroot . /run/lowerdir/busybox "$@"; }
${shares.map(shareLines).join('')}${prepare === '' ? '' : `within sh -c ${quote(prepare)}\n`}
${keepOwn(shares.map(({ target }) => target))}${init === 'systemd' ? `${maskLines(maskedUnits)}${machineIdLines(hostname)}` : ''}${lastLines[init]}`
}

/**
 * Moves the last card into a network namespace that stays as long as a mount of it does. The kernel's end of a
 * mounted export does not hold it, and the agent does not live until the last file system is unmounted.
 */
function exportNetworkLines(card: string): string {
  return `: >/exports.net
mkfifo /holder
unshare --net=/exports.net /bin/sh -c 'echo $$ >/holder; read -r moved </holder' &
read -r holder </holder
ip link set ${card} netns "$holder" || die 'there is no network card to reach the host through'
echo moved >/holder
in_exports_net() { nsenter --net=/exports.net "$@"; }
# IPv6 would keep the card busy with looking for neighbours and routers.
in_exports_net sh -c '[ ! -d /proc/sys/net/ipv6 ] || echo 1 >/proc/sys/net/ipv6/conf/${card}/disable_ipv6
ip addr add ${EXPORT_GUEST} dev ${card} && ip link set ${card} up'`
}

function userNetworkLines({ userNetwork }: InitOptions): string {
  if (userNetwork === 'none') return ''
  const open = `ip route add default via ${USER_NETWORK.gateway}
[ -s /root/etc/resolv.conf ] || echo nameserver ${USER_NETWORK.nameserver} >/root/etc/resolv.conf
`
  return `ip link set eth0 up
ip addr add ${USER_NETWORK.guest} dev eth0
${userNetwork === 'open' ? open : ''}`
}

function shareLines(share: GuestMount & { readonly target: string }): string {
  const target = quote(share.target)
  const failure = quote(`the share ${share.target} cannot be mounted over 9P`)
  return `within mkdir -p ${target}
in_exports_net chroot . /run/lowerdir/busybox mount ${mountArguments(share)} ${target} || die ${failure}
`
}

/**
 * The root is what commands see: in a mount namespace of its own, with everything of this one out of their
 * sight. As switch_root does it, but this root stays, and so does whoever is in it.
 *
 * A FIFO is opened by a process without children, whose open(2) no SIGCHLD interrupts.
 */
function inRoot(become: string): string {
  return `unshare -m /bin/sh -c '
  cd /root
  mount -o move . /
  exec chroot . /run/lowerdir/busybox sh -c ": >/run/lowerdir/up
    ${become}"'`
}

const lastLines: Readonly<Record<GuestInit, string>> = {
  // Process 1 is the agent, and a process that sleeps holds the root.
  none: `${inRoot('while :; do /run/lowerdir/busybox sleep 86400; done')} &
echo $! >/root.pid
cat /root/run/lowerdir/up
cd /
exec @/busybox sh /agent
`,
  // Not with `&`: see agent.ts.
  systemd: `echo 1 >/root.pid
# By this file a directory that was a container's makes systemd believe that it still is, and mind no kernel arguments.
rm -f /root${CONTAINER_MARK}
cd /
start-stop-daemon -S -b -p /agent.pid -x @/busybox -- sh -c 'cat /root/run/lowerdir/up; exec @/busybox sh /agent'
exec ${inRoot('exec /sbin/init')}
`,
}
