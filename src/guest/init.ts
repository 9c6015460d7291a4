/**
 * What goes into a guest: its kernel and modules, the initramfs, the init script, and the agent that runs commands.
 *
 * The init script, here, is process 1 of the initramfs. agent.ts is the guest's end of the control channel, and
 * initramfs.ts puts both into an archive with the kernel's modules.
 */

import { prepareRoot } from './agent.ts'
import { CONTAINER_MARK, keepOwn } from './changes.ts'
import { EXPORT_GUEST, type GuestMount, USER_NETWORK, mountArguments } from './mount.ts'
import { quote } from '../util/shell.ts'
import { namesScript } from './names.ts'
import { machineIdLines, maskLines } from './systemd.ts'
import { type UpperDevice, upperLines } from './upper.ts'

/** What process 1 becomes: the root's own init, which is systemd, or the agent. */
export type GuestInit = 'systemd' | 'none'

/** An export at an absolute path of the guest. */
export type GuestShare = GuestMount & { readonly target: string }

/**
 * The network behind a NIC that the guest sees: QEMU's user network, the same with restrict=on, or a switch, for which
 * {@link InitOptions.prepare} sets the NIC up.
 */
export type GuestNetwork = 'user network' | 'user network, restricted' | 'switch'

/** What the init script does with one device. */
export interface InitDevice {
  /** Mounts the control channel. */
  readonly control?: GuestMount
  /** Mounts the lower layer. */
  readonly root?: GuestMount
  readonly share?: GuestShare
  /** Puts the upper layer on it. */
  readonly upper?: UpperDevice
  readonly nic?: GuestNetwork
}

/** What the init script does with all devices of a machine. */
export interface InitDevices {
  readonly control: GuestMount
  /** The lower layer. */
  readonly root: GuestMount
  /** Further exports. */
  readonly shares: readonly GuestShare[]
  /** What the upper layer is on; without a disk, memory. */
  readonly upper: UpperDevice | null
  /** The NICs that the guest sees, in order. One more is behind them: the one of the exports. */
  readonly nics: readonly GuestNetwork[]
}

/** What the init script sets up. */
export interface InitOptions extends InitDevices {
  readonly init: GuestInit
  /** Names of the files in /modules, in the order to load them. */
  readonly modules: readonly string[]
  readonly hostname: string
  /** Units that systemd does not start. */
  readonly maskedUnits: readonly string[]
  /** A script for busybox's shell in the root, before the init: it sets up the NICs that are connected to a switch. */
  readonly prepare: string
}

/** The beginning of a line on the console that tells the host how far the guest is. */
export const PHASE = 'lowerdir: phase '

/** The beginning of a line on the console that tells the host why the guest gives up. */
export const FAILED = 'lowerdir: failed: '

/** How far a guest is: its kernel runs, its root is mounted. */
export type GuestPhase = 'kernel' | 'root'

/**
 * The initramfs's /init, for busybox's shell: makes the root out of the lower layer and the upper one, starts the agent,
 * and becomes process 1 of the guest's own init.
 *
 * Where a step fails, the script prints a line that begins with {@link FAILED} on the console and powers the guest off, so
 * that the host knows the reason.
 */
export function initScript(options: InitOptions): string {
  const { init, root, shares, control, modules, hostname } = options
  const { nics, maskedUnits, prepare, upper } = options
  const names = namesScript({
    hostname,
    nameserver: nics.includes('user network') ? USER_NETWORK.nameserver : null,
    hasServices: init === 'systemd',
  })
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

# Processes in the root neither see the NIC of the exports nor can they take it down.
${exportNetworkLines(`eth${nics.length}`)}
in_exports_net mount ${mountArguments(control)} /control || die 'the control channel cannot be mounted over 9P'
in_exports_net mount ${mountArguments(root)} /lower || die 'the root cannot be mounted'
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
${nics.map(nicLines).join('')}
# In the root, where absolute symlinks lead elsewhere than here.
within() { chroot . /run/lowerdir/busybox "$@"; }
within sh -c ${quote(names)}
${shares.map(shareLines).join('')}${prepare === '' ? '' : `within sh -c ${quote(prepare)}\n`}
${keepOwn(shares.map(({ target }) => target))}${init === 'systemd' ? `${maskLines(maskedUnits)}${machineIdLines(hostname)}` : ''}${lastLines[init]}`
}

/**
 * Moves the last NIC into a network namespace of its own, which the file /exports.net keeps alive. A mounted export does not
 * keep its namespace alive, and the agent ends before the last file system is unmounted.
 */
function exportNetworkLines(nic: string): string {
  return `: >/exports.net
mkfifo /holder
unshare --net=/exports.net /bin/sh -c 'echo $$ >/holder; read -r moved </holder' &
read -r holder </holder
ip link set ${nic} netns "$holder" || die 'there is no NIC to reach the host through'
echo moved >/holder
in_exports_net() { nsenter --net=/exports.net "$@"; }
# IPv6 would keep the NIC busy with looking for neighbours and routers.
in_exports_net sh -c '[ ! -d /proc/sys/net/ipv6 ] || echo 1 >/proc/sys/net/ipv6/conf/${nic}/disable_ipv6
ip addr add ${EXPORT_GUEST} dev ${nic} && ip link set ${nic} up'`
}

/** Sets up a NIC on QEMU's user network. */
function nicLines(network: GuestNetwork, index: number): string {
  if (network === 'switch') return ''
  const nic = `eth${index}`
  const route = `ip route add default via ${USER_NETWORK.gateway}\n`
  return `ip link set ${nic} up
ip addr add ${USER_NETWORK.guest} dev ${nic}
${network === 'user network' ? route : ''}`
}

function shareLines(share: GuestShare): string {
  const target = quote(share.target)
  const failure = quote(`the share ${share.target} cannot be mounted`)
  return `within mkdir -p ${target}
in_exports_net chroot . /run/lowerdir/busybox mount ${mountArguments(share)} ${target} || die ${failure}
`
}

/**
 * Runs `become` in the root that commands see: in a mount namespace of its own, which has none of this one's mounts. As
 * switch_root does it, but the initramfs stays, with the processes that run in it.
 *
 * The process that opens the FIFO has no children: no SIGCHLD interrupts its open(2).
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
