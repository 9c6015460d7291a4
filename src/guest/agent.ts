import { quote } from '../util/shell.ts'

/**
 * The guest's end of the control channel (machine/control/): a loop that runs the scripts it reads. What
 * they print is the id of a slot, and each gets a worker.
 *
 * The workers are started by xargs, since a shell makes what it starts with `&` ignore SIGINT for
 * ever. By a path, since busybox's shell runs its own applets without exec(2), in memory that it
 * has used: xargs then counts workers that never were, and soon starts no more.
 *
 * That path begins with `@`, and so does what a process of the agent says it is called: systemd leaves such a
 * process alone at a shutdown (systemd's ROOT_STORAGE_DAEMONS), and does not wait for one that waits for the host.
 *
 * The channel closes when the host is gone: then reading the next script fails, the shell ends
 * (POSIX, "dot"), and so does the guest.
 */
export const agentScript = `{
  (while :; do . /control/next; done)
  sync
  poweroff -f
} | @/busybox xargs -n 1 -P 500 @/busybox sh /slot
sleep 60
`

/**
 * Where a slot's shell finds its command: a name for its descriptor 9, the slot's script, since shells say it in
 * their errors.
 */
const COMMAND = '/run/lowerdir/command'

/** How a shell reads it. Of a file that says it is empty, as this one does, bash's "dot" reads nothing. */
const READ_COMMAND = `if [ "$BASH_VERSION" ]; then eval "$(<${COMMAND})"; else . ${COMMAND}; fi`

/**
 * How the loop of a slot starts in the root. It and the shells that wait for commands are called `@…` as well: systemd
 * stops everybody (SIGSTOP) before it sends SIGTERM, which does not wake whoever waits for a 9P server then, and
 * would wait for 90 seconds.
 */
const START_COMMANDS = 'cd /run/lowerdir; exec @/busybox setsid @/busybox sh commands'

/** What is put into the guest's root for commands: busybox, since the root may have no shell. */
export const BUSYBOX = '/run/lowerdir/busybox'

/** Instead of a slot's id: a process that sets the clock when it is told the time, see machine/control/clock-setter.ts. */
export const CLOCK = 'clock'

/**
 * A slot: what runs one command after the other, with as little as possible left to do when one comes. Its id
 * is the argument; its directory of the channel has its files.
 *
 * Three processes carry bytes between the command's pipes and those files, and stay from one command to the
 * next. The commands are in the root, in a cgroup that is the slot's own, so that whatever a command has
 * started can be ended with it.
 */
export const slotScript = `exec 2>/dev/null
if [ "$1" = ${CLOCK} ]; then
  exec >/dev/null
  . /control/clock
fi
cd "/control/slots/$1" || exit 0
group=/cgroup/lowerdir/$1
mkdir -p "$group"
read -r root </root.pid
read -r token <token
export token
exec 7<"$group" 8<. 9<script

# Each open of a command's stdin gives out what there is by then, and fails at its end. Not with cat,
# which lets sendfile(2) do it: that keeps the pipe locked while it waits for the file.
feed() {
  while dd if=stdin bs=1M; do :; done
}

# Descriptor 3 is the pipe to the file that takes the errors; only the commands may hold it open.
{
  feed 3>&- 7<&- 8<&- 9<&- |
    {
      echo 0 >"$group/cgroup.procs"
      exec nsenter -t "$root" -m ${BUSYBOX} sh -c '${START_COMMANDS}' 6>&3 3>&-
    } |
    cat >stdout 3>&- 7<&- 8<&- 9<&-
} 3>&1 | cat >stderr 7<&- 8<&- 9<&-
rmdir "$group"
# xargs takes a failure for its own.
exit 0
`

/**
 * The loop of a slot, within the root. The shell that will run the next command is started before there is
 * one, and reads it from the slot's file: the guest's own shell, since busybox's would take an applet of its
 * own for a program of the guest's.
 *
 * How a command ended is said behind its output, on both streams, after a word that nobody can guess: so the
 * host has all that came before, whatever else may hold the pipes open. Where a command has left processes
 * behind, these keep the pipes, and the slot ends.
 *
 * Descriptor 6 is the pipe for errors: a shell has words of its own for a command that was killed.
 */
export const commandsScript = `unset HOME TERM
end=$token
export -n token
set -- @/sh
[ -x /bin/sh ] || set -- @/busybox sh
trap over=1 HUP INT TERM
while [ -z "$over" ] && [ -e /proc/self/fd/8/again ]; do
  (exec "$@" -c '${READ_COMMAND}' /bin/sh 2>&6 6>&- 7<&- 8<&-)
  status=$?
  left=
  { read -r self; read -r left; } </proc/self/fd/7/cgroup.procs
  echo "$end $status $left"
  echo "$end $status $left" >&6
  [ -z "$left" ] || exit
done
`

/**
 * Sets the guest's clock, as the last thing that a shell does. busybox's date(1) knows no fractions of a second, so it
 * takes two steps. This first one is behind by what is left of the second.
 *
 * @param seconds since the epoch.
 */
export function clockScript(seconds: number): string {
  return `exec date -s @${seconds}\n`
}

/**
 * The second step, for the agent, at the beginning of a second: if the clock is still what the first one has made it.
 *
 * @param seconds since the epoch.
 */
export function clockScriptOnTheSecond(seconds: number): string {
  return `[ "$(date +%s)" != ${seconds - 1} ] || date -s @${seconds} >/dev/null\n`
}

/** For the agent: the kernel forgets all of its files that are not in use, and what it has kept of their content. */
export const FORGET_FILES = 'echo 3 >/proc/sys/vm/drop_caches\n'

/** Shell commands for the guest's init that put into the root, its directory, what slots take there. */
export const prepareRoot = `mkdir run/lowerdir
: >run/lowerdir/busybox
mount -o bind /bin/busybox run/lowerdir/busybox
cat /commands >run/lowerdir/commands
ln -s /proc/self/fd/9 ${COMMAND.slice(1)}
mkdir run/lowerdir/@
ln -s ../busybox run/lowerdir/@/busybox
ln -s /bin/sh run/lowerdir/@/sh
mkfifo run/lowerdir/up
`

/** A command as it is to run in the guest's root. */
export interface CommandLine {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** An absolute path of the guest. */
  readonly cwd: string
}

/**
 * The script that becomes the command, for any POSIX shell. The program is looked up in PATH here: a shell has
 * built-in commands of its own for some.
 */
export function commandScript({ argv, env, cwd }: CommandLine): string {
  return `${surroundings({ env, cwd })}set -- ${argv.map(quote).join(' ')}
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

/** What comes before a command, on its first line so that a shell counts the lines behind it as its writer does. */
export function surroundings({ env, cwd }: Omit<CommandLine, 'argv'>): string {
  const exports = Object.entries(env).map(([name, value]) => `export ${name}=${quote(value)}; `)
  return `${exports.join('')}cd ${quote(cwd)} || exit 126; `
}

/**
 * A command on a terminal of the guest, `device`, with a session of its own. The device forgets its size when
 * nobody has it open.
 */
export function terminalScript(
  line: CommandLine,
  device: string,
  { rows, columns }: TerminalSize,
): string {
  return `exec <>${device} >&0 2>&1
${BUSYBOX} stty rows ${rows} cols ${columns}
exec ${BUSYBOX} setsid -c ${BUSYBOX} sh -c ${quote(commandScript(line))}
`
}

/** A terminal's size in characters. */
export interface TerminalSize {
  readonly rows: number
  readonly columns: number
}
