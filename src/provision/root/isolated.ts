/**
 * The shell script that runs a command which sets up a root. It runs in namespaces of its own, so that its mounts
 * end with it, nothing that it starts outlives it, and the packages' scripts find no network. It ends with this process.
 *
 * `$1` is the root; the rest is the command, which runs outside of the root.
 */
const SETUP = `set -e
root=$1
shift
umask 022
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755,size=64m dev "$root/dev"
for name in null zero full random urandom tty; do
  : >"$root/dev/$name"
  mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir -m 1777 "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"
exec env -i HOME=/root LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
  DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true "$@"
`

/** The command line that runs `argv` with /proc and /dev mounted in `root`, for a user with CAP_SYS_ADMIN. */
export function isolated(root: string, argv: readonly string[]): [command: string, args: string[]] {
  const namespaces = ['--mount', '--pid', '--ipc', '--uts', '--net', '--fork', '--kill-child']
  const shell = ['sh', '-c', SETUP, 'sh', root]
  return ['setpriv', ['--pdeathsig', 'KILL', 'unshare', ...namespaces, ...shell, ...argv]]
}
