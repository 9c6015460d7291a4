import { quote } from '../util/shell.ts'

/** The end of each line that a boot writes into /etc/hosts: a comment (hosts(5)). */
export const OWN_LINE = ' # lowerdir'

/** What the script below sets up. */
export interface NameOptions {
  readonly hostname: string
  /** The address of a name server that the guest reaches; null where it reaches none. */
  readonly nameserver: string | null
  /** Whether the root's own init starts its services, such as a resolver at a loopback address. */
  readonly hasServices: boolean
}

/**
 * A script for busybox's shell that makes the guest find its own name, and those of others if there is a name server. It runs
 * in the guest's root, before its own init: absolute symlinks lead elsewhere outside of it.
 *
 * The own name gets 127.0.1.1, as Debian's installer has it, unless the root's /etc/hosts has the name already. The script
 * removes the line of an earlier boot, which an upper layer on a disk keeps.
 */
export function namesScript({ hostname, nameserver, hasServices }: NameOptions): string {
  const isOwn = `/${OWN_LINE}$/ { next }`
  const isFound = `{ sub(/#.*/, ""); for (i = 2; i <= NF; i++) if (tolower($i) == tolower(name)) found = 1 }`
  const atEnd = `END { if (!found) print "127.0.1.1 " name "${OWN_LINE}" }`
  return `b=/run/lowerdir/busybox
$b mkdir -p /etc
[ -e /etc/hosts ] || { $b rm -f /etc/hosts; $b printf '127.0.0.1 localhost\\n::1 localhost\\n' >/etc/hosts; }
$b awk -v name=${quote(hostname)} ${quote(`${isOwn} { print } ${isFound} ${atEnd}`)} /etc/hosts >/run/lowerdir/hosts &&
  $b cat /run/lowerdir/hosts >/etc/hosts
${nameserver === null ? '' : nameserverLines(nameserver, hasServices)}`
}

/**
 * The name server of a root that has none. A root's /etc/resolv.conf may be a link into /run, which is empty at a boot: what it
 * leads to is made there, so that a resolver which starts later can replace it.
 */
function nameserverLines(address: string, hasServices: boolean): string {
  const needed = hasServices
    ? ''
    : ` || ! $b grep '^nameserver' $resolv | $b grep -qv 'nameserver[[:space:]]*\\(127\\.\\|::1\\)'`
  return `resolv=/etc/resolv.conf
name_it() { echo 'nameserver ${address}' >$resolv; }
if [ ! -s $resolv ]${needed}; then
  if target=$($b readlink $resolv); then
    case $target in /*) ;; *) target=/etc/$target ;; esac
    $b mkdir -p "\${target%/*}"
  fi
  name_it || { $b rm -f $resolv; name_it; }
fi 2>/dev/null
`
}
