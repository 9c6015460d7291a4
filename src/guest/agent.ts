import { EXPORT_ADDRESS, type GuestMount, mountOptions } from './mount.ts'
import { FAILED } from './init.ts'
import { quote } from './quote.ts'

/**
 * The guest's end of the control channel (machine/control.ts): a loop that runs the scripts that it
 * reads, and a function to start a command with streams of its own.
 *
 * A command's streams are ordinary pipes; each is carried by a process of its own between the pipe
 * and a file of the channel. The channel closes when the host is gone: then
 * reading the next script fails, the shell ends (POSIX, "dot"), and so does the guest.
 */
export function agentScript(control: GuestMount): string {
  return `export PATH=/bin
mount -t 9p -o ${mountOptions(control)} ${EXPORT_ADDRESS} /control ||
  { echo '${FAILED}the control channel cannot be mounted over 9P' >/dev/console; poweroff -f; }

# This namespace is a copy by now; then until process 1 has its root in place.
: >/agent.ready
cat /root/run/lowerdir/up

# Each open of a command's stdin gives out what there is by then, and fails at its end.
feed() {
  while cat "$1"; do :; done 2>/dev/null
}

# In the root, as process 1 sees it.
enter() {
  nsenter -t 1 -m /run/lowerdir/busybox sh -c "$1"
}

# run ID SCRIPT
# Descriptor 3 is the pipe to the file that takes the errors; only the command may hold it open.
run() {
  files=/control/commands/$1
  {
    feed "$files/stdin" 3>&- |
      { enter "$2" 2>&3 3>&-; echo $? >"$files/status"; } |
      cat >"$files/stdout" 3>&-
  } 3>&1 | cat >"$files/stderr"
}

# terminal ID DEVICE SCRIPT
terminal() {
  setsid -c nsenter -t 1 -m /run/lowerdir/busybox sh -c "$3" <>"$2" >&0 2>&1
  echo $? >"/control/commands/$1/status"
}

(while :; do . /control/next; done)
sync
poweroff -f
`
}

/** A command as it is to run in the guest's root. */
export interface CommandLine {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** An absolute path of the guest. */
  readonly cwd: string
}

/**
 * The script that becomes the command. The program is looked up in the root's PATH here, since
 * busybox's shell would take an applet of its own for it.
 */
export function commandScript({ argv, env, cwd }: CommandLine): string {
  const exports = Object.entries(env).map(([name, value]) => `export ${name}=${quote(value)}\n`)
  return `${exports.join('')}cd ${quote(cwd)} || exit 126
set -- ${argv.map(quote).join(' ')}
case $1 in */*) exec "$@" ;; esac
command=$1
shift
IFS=:
for folder in $PATH; do
  [ -f "$folder/$command" ] && [ -x "$folder/$command" ] && exec "$folder/$command" "$@"
done
echo "lowerdir: $command: not found in the guest" >&2
exit 127
`
}
