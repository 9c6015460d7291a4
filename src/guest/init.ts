import { GUEST_ADDRESS, type GuestMount, mountArguments } from './mount.ts'
import { quote } from './quote.ts'

/** What the init script sets up. */
export interface InitOptions {
  /** The lower layer. */
  readonly root: GuestMount
  /** Further exports, each at an absolute path of the guest. */
  readonly shares: readonly (GuestMount & { readonly target: string })[]
  /** Names of the files in /modules, in the order to load them. */
  readonly modules: readonly string[]
  readonly hostname: string
}

/** How a line on the console begins by which the guest tells the host how far it is. */
export const PHASE = 'lowerdir: phase '

/** How a line on the console begins by which the guest tells the host why it gives up. */
export const FAILED = 'lowerdir: failed: '

/** How far a guest is: its kernel runs, its root is mounted. */
export type GuestPhase = 'kernel' | 'root'

/**
 * The initramfs's /init, for busybox's shell: makes the root out of the lower layer and a tmpfs, and
 * becomes the agent.
 *
 * What fails says so on the console, in a line that begins with {@link FAILED}, and powers the guest
 * off: the host then knows the reason.
 */
export function initScript({ root, shares, modules, hostname }: InitOptions): string {
  return `#!/bin/sh
export PATH=/bin
phase() { echo "${PHASE}$1" >/dev/console; }
die() { echo "${FAILED}$*" >/dev/console; poweroff -f; sleep 60; }

mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
phase kernel
hostname ${quote(hostname)}
for module in ${modules.map(quote).join(' ')}; do
  insmod "/modules/$module" || die "the module $module does not load into this kernel"
done

ip link set lo up
ip link set eth0 up || die 'there is no network card to reach the host through'
ip addr add ${GUEST_ADDRESS} dev eth0

mount ${mountArguments(root)} /lower || die 'the root cannot be mounted over 9P'
mount -t tmpfs upper /upper
mkdir /upper/upper /upper/work
# Inode numbers of the host may use all 64 bits: none are left to mark the layer with.
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

# The shell that starts commands in the root: the root may have none.
mkdir run/lowerdir
: >run/lowerdir/busybox
mount -o bind /bin/busybox run/lowerdir/busybox
mkfifo run/lowerdir/up

# In the root, where absolute symlinks lead elsewhere than here.
within() { chroot . /run/lowerdir/busybox "$@"; }
${shares.map(shareLines).join('')}

# The root is what commands see: in a mount namespace of its own, held by a process that sleeps there,
# with everything of this one out of their sight. As switch_root does it, but this root stays.
unshare -m /bin/sh -c '
  cd /root
  mount -o move . /
  exec chroot . /run/lowerdir/busybox sh -c "
    : >/run/lowerdir/up
    while :; do /run/lowerdir/busybox sleep 86400; done"' &
echo $! >/root.pid
# A FIFO is opened by a process without children, whose open(2) no SIGCHLD interrupts.
cat /root/run/lowerdir/up

exec /bin/sh /agent
`
}

function shareLines(share: GuestMount & { readonly target: string }): string {
  const target = quote(share.target)
  const failure = quote(`the share ${share.target} cannot be mounted over 9P`)
  return `within mkdir -p ${target}
within mount ${mountArguments(share)} ${target} || die ${failure}
`
}
