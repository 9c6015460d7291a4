import { BUSYBOX } from '../../guest/agent.ts'
import { quote } from '../../util/shell.ts'
import type { Machine } from '../machine.ts'
import { type WaitOptions, waitFor, waitForAnswer } from './wait.ts'

/** For a shell of the guest: looks every tenth of a second until `condition` holds. */
export function untilLoop(condition: string): string {
  return `until ${condition}; do ${BUSYBOX} usleep 100000; done`
}

/** Runs `command` until it exits with 0, or with anything but 0; resolves with its output. */
export function repeat(
  machine: Machine,
  command: string,
  wanted: 'succeed' | 'fail',
  options: WaitOptions,
): Promise<string> {
  let last = ''
  return waitForAnswer(
    machine.waiter,
    `\`${command}\` to ${wanted}`,
    options,
    async (signal) => {
      const { exitCode, stdout, stderr } = await machine.exec(command, { signal })
      last = `it last exited with ${exitCode}: ${(stderr || stdout).trim().slice(-2000)}`
      return (exitCode === 0) === (wanted === 'succeed') ? stdout : undefined
    },
    () => (wanted === 'succeed' ? last : 'it always succeeded'),
  )
}

/** Waits until `path` is there. */
export async function waitForFile(
  machine: Machine,
  path: string,
  options: WaitOptions,
): Promise<void> {
  await until(machine, `the file ${path}`, `[ -e ${quote(path)} ]`, options)
}

/** Waits until something listens on a TCP port, or listens there no more. */
export async function waitForPort(
  machine: Machine,
  port: number,
  address: string,
  open: boolean,
  options: WaitOptions,
): Promise<void> {
  checkPort(port)
  const what = `${open ? 'an open' : 'a closed'} port ${port}${address === 'localhost' ? '' : ` of ${address}`}`
  // The input is at its end at once: it is all about the connection.
  const connect = `${BUSYBOX} timeout 5 ${BUSYBOX} nc -w 1 ${quote(address)} ${port} </dev/null >/dev/null 2>&1`
  const condition = LOCAL.has(address) ? listens(port) : connect
  await until(machine, what, open ? condition : `! { ${condition}; }`, options)
}

/** Waits until something listens on a unix socket. */
export async function waitForOpenUnixSocket(
  machine: Machine,
  path: string,
  { datagram = false, ...options }: WaitOptions & { readonly datagram?: boolean },
): Promise<void> {
  // Flags and type of unix(7)'s table in proc: __SO_ACCEPTCON; a datagram socket only has to be bound.
  const state = datagram ? '* 00000000 0002 *' : '* 00010000 *'
  const condition = `while read -r line; do
  case $line in ${state.replaceAll(' ', '\\ ')}\\ ${quote(path)}) exit 0 ;; esac
done </proc/net/unix
false`
  await until(machine, `the socket ${path}`, `( ${condition} )`, options)
}

const LOCAL = new Set(['localhost', '127.0.0.1', '::1'])

/** The state of a TCP socket that listens, in proc's tables (TCP_LISTEN of net/tcp_states.h). */
const LISTEN = '0A'

/** Looks without connecting, so that whoever listens hears nothing of it. */
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

/** Asks in the guest, since that is where the news is. */
async function until(
  machine: Machine,
  what: string,
  condition: string,
  options: WaitOptions,
): Promise<void> {
  await waitFor(machine.waiter, what, options, async (signal) => {
    await machine.exec(untilLoop(condition), { signal, quiet: true })
  })
}

function checkPort(port: number): void {
  if (Number.isInteger(port) && port > 0 && port < 65_536) return
  throw new RangeError(`${port} is no port: say a whole number from 1 to 65535.`)
}
