import { quote } from '../util/shell.ts'

/**
 * The guest's end of the control channel (machine/control/): a loop that runs the scripts it reads. A script prints ids of
 * slots, and each slot gets a worker.
 *
 * xargs starts the workers, since a process that a shell starts with `&` ignores SIGINT for ever. xargs is started by a
 * path: busybox's shell runs its own applets without exec(2), in memory that the shell has used, and xargs then counts
 * workers that it never started, and soon starts no more.
 *
 * The path begins with `@`, and so does argv[0] of the agent's processes. systemd does not kill such processes at a
 * shutdown (systemd's ROOT_STORAGE_DAEMONS), and so does not wait for one that waits for the host.
 *
 * The channel closes when the host's process ends. The next read then fails, the shell ends (POSIX, "dot"), and the guest
 * powers off.
 */
export const agentScript = `{
  (while :; do . /control/next; done)
  sync
  poweroff -f
} | @/busybox xargs -n 1 -P 500 @/busybox sh /slot
sleep 60
`

/**
 * Where a slot's shell finds its command: a link to descriptor 9, the slot's script. Shells print this name in errors.
 */
const COMMAND = '/run/lowerdir/command'

/** How a shell reads it. The file has the size 0, and bash's "dot" reads nothing of such a file. */
const READ_COMMAND = `if [ "$BASH_VERSION" ]; then eval "$(<${COMMAND})"; else . ${COMMAND}; fi`

/**
 * How the loop of a slot starts in the root. Its argv[0] and those of the shells that wait for commands begin with `@` too:
 * at a shutdown systemd sends SIGSTOP and then SIGTERM. A stopped process that waits for a 9P server does not wake up for
 * SIGTERM, and systemd would wait for 90 seconds.
 */
const START_COMMANDS = 'cd /run/lowerdir; exec @/busybox setsid @/busybox sh commands'

/** Busybox in the guest's root, which may have no shell of its own. */
export const BUSYBOX = '/run/lowerdir/busybox'

/** Instead of a slot's id: a process that sets the clock when it is told the time, see machine/control/clock-setter.ts. */
export const CLOCK = 'clock'

/**
 * A slot: it runs one command after the other. All that can be done before a command comes has been done by then. The
 * argument is the slot's id; the slot's directory of the channel has its files.
 *
 * Three processes carry bytes between the command's pipes and those files, and stay from one command to the next. The
 * commands run in the root, in the slot's own cgroup, so that all processes of a command can be killed together.
 */
export const slotScript = `exec 2>/dev/null
if [ "$1" = ${CLOCK} ]; then
  exec >/control/clock/answer
  # What it says is of use only if it says it at once.
  renice -n -20 $$
  while :; do . /control/clock/next; done
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
 * The loop of a slot, within the root. The shell for the next command starts before there is one, and reads the command
 * from the slot's file. It is the guest's own shell: busybox's would run its own applets in place of the guest's programs.
 *
 * The exit status follows the command's output, on both streams, behind a word that cannot be guessed. The host then has
 * all of the output, also where other processes hold the pipes open. Where a command has left such processes, the slot
 * ends.
 *
 * Descriptor 6 is the pipe for errors: the loop's own shell prints a message about a command that was killed.
 */
export const commandsScript = `unset HOME TERM SHLVL
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
 * For the clock's process: sets the clock to a whole second, and is the last thing that this process does. That saves the
 * fork, and a restored guest with an emulated CPU does it in a few milliseconds.
 *
 * @param seconds since the epoch.
 */
export function clockScript(seconds: number): string {
  return `exec date -s @${seconds} >/dev/null\n`
}

/**
 * What the clock's process sees: the time ($t), and the uptime before ($a) and after it ($c). busybox's shell has had
 * EPOCHREALTIME since 1.31.
 */
const LOOK = `read -r a b </proc/uptime
t=$EPOCHREALTIME
read -r c b </proc/uptime
`

/** For the clock's process: tells what time it is there. @param id a number, which comes back with the answer. */
export function clockLookScript(id: number): string {
  return `${LOOK}echo "${id} $a $t $c"\n`
}

/** What is to become of the guest's clock. All times are whole microseconds. */
export interface ClockStep {
  /** How much the clock is late; negative where it is early. */
  readonly late: number
  /** How much before the whole second the clock is set: setting it takes a moment. */
  readonly lead: number
  /** The time less the uptime, as it was seen: at least and at most. */
  readonly base: readonly [number, number]
}

/**
 * For the clock's process: sets the clock at the next whole second, since busybox's date(1) knows no fractions of one. It
 * then tells what time it is there, and whether it has set it.
 *
 * Nothing is set if the clock has been changed since it was seen, which the time less the uptime shows, or if the file
 * /control/clock/go/ID is gone: the machine has been saved, and another one goes on from there at another time.
 *
 * @param id a number, which comes back with the answer.
 */
export function clockStepScript(id: number, { late, lead, base }: ClockStep): string {
  const [from, to] = base
  return `${LOOK}now=$((\${t%.*}\${t#*.} + ${late} + ${lead}))
second=$((now / 1000000 + 1))
usleep $((second * 1000000 - now))
${LOOK}now=\${t%.*}\${t#*.}
did=
if [ $((now - \${c%.*}\${c#*.}0000 - 10000)) -le ${to} ] && [ $((now - \${a%.*}\${a#*.}0000)) -ge ${from} ]; then
  [ ! -e /control/clock/go/${id} ] || { date -s @$second >/dev/null; did=' set'; }
fi
${LOOK}echo "${id} $a $t $c$did"
`
}

/** For the agent: the kernel drops its caches of files that are not in use, names and content. */
export const FORGET_FILES = 'echo 3 >/proc/sys/vm/drop_caches\n'

/** Shell commands for the guest's init that put into the root, the current directory, what slots need there. */
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
 * The script that becomes the command, for any POSIX shell. It looks the program up in PATH: a shell would run a built-in
 * command of the same name.
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

/**
 * Sets a command's environment and folder. It is one line, so that a shell's line numbers stay those of the command.
 *
 * A shell's cd exports the folder that it leaves, which is one of ours.
 */
export function surroundings({ env, cwd }: Omit<CommandLine, 'argv'>): string {
  const exports = Object.entries(env).map(([name, value]) => `export ${name}=${quote(value)}; `)
  return `cd ${quote(cwd)} || exit 126; unset OLDPWD; ${exports.join('')}`
}

/**
 * Gives a command's pipes to the user who is going to run it. Otherwise this user could not open /dev/stdin, /dev/stdout and
 * /dev/stderr, which lead to them: a pipe belongs to who has made it, with the mode 0600 (get_pipe_inode in fs/pipe.c).
 *
 * @param user a name in the guest's /etc/passwd. For another one su says why it fails.
 */
export function givePipesTo(user: string): string {
  // Descriptor 3 is the one for errors meanwhile.
  const pipes = [0, 1, 3].map((fd) => `/proc/self/fd/${fd}`).join(' ')
  return `for pipe in ${pipes}; do [ ! -p "$pipe" ] || ${BUSYBOX} chown ${quote(user)} "$pipe"; done 3>&2 2>/dev/null
`
}

/**
 * A command on a terminal of the guest, `device`, with a session of its own. The device loses its size when its last open
 * is closed.
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
