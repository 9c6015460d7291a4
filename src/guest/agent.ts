import { type GuestMount, mountArguments } from './mount.ts'
import { FAILED } from './init.ts'
import { quote } from './quote.ts'

/**
 * The guest's end of the control channel (machine/control.ts), which process 1 becomes: a loop that runs
 * the scripts it reads. What they print is a command's id, and each gets a worker.
 *
 * The workers are started by xargs, since a shell makes what it starts with `&` ignore SIGINT for
 * ever. By its path, since busybox's shell runs its own applets without exec(2), in memory that it
 * has used: xargs then counts workers that never were, and soon starts no more.
 *
 * The channel closes when the host is gone: then reading the next script fails, the shell ends
 * (POSIX, "dot"), and so does the guest.
 */
export function agentScript(control: GuestMount): string {
  return `mount ${mountArguments(control)} /control ||
  echo '${FAILED}the control channel cannot be mounted over 9P' >/dev/console
{
  (while :; do . /control/next; done)
  sync
  poweroff -f
} | /bin/xargs -n 1 -P 100 /bin/sh /worker
sleep 60
`
}

/**
 * What does one command: its id is the argument, and its directory of the channel says the rest, as a
 * call of `run` or `terminal`.
 *
 * A command's streams are ordinary pipes; each is carried by a process of its own between the pipe and
 * a file of the channel.
 */
export const workerScript = `files=/control/commands/$1

# In the root.
enter() {
  nsenter -t "$(cat /root.pid)" -m /run/lowerdir/busybox sh -c "$1"
}

# Each open of a command's stdin gives out what there is by then, and fails at its end. Not with cat,
# which lets sendfile(2) do it: that keeps the pipe locked while it waits for the file.
feed() {
  while dd if="$files/stdin" bs=1M; do :; done 2>/dev/null
}

# run SCRIPT
# Descriptor 3 is the pipe to the file that takes the errors; only the command may hold it open.
run() {
  {
    feed 3>&- |
      { enter "$1" 2>&3 3>&-; echo $? >"$files/status"; } |
      cat >"$files/stdout" 3>&-
  } 3>&1 | cat >"$files/stderr"
}

# terminal DEVICE ROWS COLUMNS SCRIPT
# The device forgets its size when nobody has it open.
terminal() {
  {
    stty rows "$2" cols "$3"
    setsid -c nsenter -t "$(cat /root.pid)" -m /run/lowerdir/busybox sh -c "$4"
    echo $? >"$files/status"
  } <>"$1" >&0 2>&1
}

. "$files/start"
# xargs takes a failure for its own.
exit 0
`

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
