import { BUSYBOX } from '../../guest/agent.ts'
import { quote } from '../../util/shell.ts'
import type { Guest } from '../guest.ts'
import { type WaitOptions, waitFor, waitForAnswer } from './wait.ts'

/** A loop for the guest's shell that checks `condition` every 0.1 s until it holds. */
export function untilLoop(condition: string): string {
  return `until ${condition}; do ${BUSYBOX} usleep 100000; done`
}

/** Runs `command` again and again until it succeeds, or until it fails; resolves with its standard output. */
export function repeat(
  guest: Guest,
  command: string,
  wanted: 'succeed' | 'fail',
  options: WaitOptions,
): Promise<string> {
  let last = ''
  return waitForAnswer(
    guest,
    `\`${command}\` to ${wanted}`,
    options,
    async (signal) => {
      const { exitCode, stdout, stderr } = await guest.exec(command, { signal })
      last = `it last exited with ${exitCode}: ${(stderr || stdout).trim().slice(-2000)}`
      return (exitCode === 0) === (wanted === 'succeed') ? stdout : undefined
    },
    () => (wanted === 'succeed' ? last : 'it always succeeded'),
  )
}

/** Waits until `path` exists. */
export async function waitForFile(guest: Guest, path: string, options: WaitOptions): Promise<void> {
  await until(guest, `the file ${path}`, `[ -e ${quote(path)} ]`, options)
}

/** Waits until a TCP port is open, or with `open` false until it is closed. */
export async function waitForPort(
  guest: Guest,
  port: number,
  address: string,
  open: boolean,
  options: WaitOptions,
): Promise<void> {
  checkPort(port)
  const what = `${open ? 'an open' : 'a closed'} port ${port}${address === 'localhost' ? '' : ` of ${address}`}`
  // An empty input: only the connection matters.
  const connect = `${BUSYBOX} timeout 5 ${BUSYBOX} nc -w 1 ${quote(address)} ${port} </dev/null >/dev/null 2>&1`
  const condition = LOCAL.has(address) ? listens(port) : connect
  await until(guest, what, open ? condition : `! { ${condition}; }`, options)
}

/** Waits until a process listens on a unix socket. */
export async function waitForOpenUnixSocket(
  guest: Guest,
  path: string,
  { datagram = false, ...options }: WaitOptions & { readonly datagram?: boolean },
): Promise<void> {
  // Columns Flags and Type of /proc/net/unix (proc_pid_net(5)): __SO_ACCEPTCON says that the socket listens. A datagram
  // socket only has to be bound.
  const state = datagram ? '* 00000000 0002 *' : '* 00010000 *'
  const condition = `while read -r line; do
  case $line in ${state.replaceAll(' ', '\\ ')}\\ ${quote(path)}) exit 0 ;; esac
done </proc/net/unix
false`
  await until(guest, `the socket ${path}`, `( ${condition} )`, options)
}

const LOCAL = new Set(['localhost', '127.0.0.1', '::1'])

/** The state of a listening socket in /proc/net/tcp (TCP_LISTEN of the kernel's net/tcp_states.h). */
const LISTEN = '0A'

/** Looks into the kernel's tables instead of connecting, so that the server does not see a connection. */
function listens(port: number): string {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  return `(
  for table in /proc/net/tcp /proc/net/tcp6; do
    [ -e $table ] || continue
    while read -r _ local _ state _; do
      case $local in *:${hex}) [ $state = ${LISTEN} ] && exit 0 ;; esac
    done <$table
  done
  false
)`
}

/** Waits in the guest: a loop there sees a change sooner than questions from the host. */
async function until(
  guest: Guest,
  what: string,
  condition: string,
  options: WaitOptions,
): Promise<void> {
  await waitFor(guest, what, options, async (signal) => {
    // The wait has the timeout.
    await guest.exec(untilLoop(condition), { signal, timeout: Infinity, quiet: true })
  })
}

function checkPort(port: number): void {
  if (Number.isInteger(port) && port > 0 && port < 65_536) return
  throw new RangeError(`${port} is no port: say a whole number from 1 to 65535.`)
}
