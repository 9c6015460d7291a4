import { createRequire } from 'node:module'
import { ErrnoError, errnoOf } from '../sys/errno.ts'
import { discard } from '../sys/files.ts'
import { dieWithParent, ignoreSignals } from '../sys/process.ts'
import { setNoDelay } from '../sys/sockets.ts'
import { ExportError, HostExports } from '../tree/host/host-exports.ts'
import type { Watched } from '../transport/event-loop.ts'
import type { Device } from '../transport/vhost-user/device.ts'
import type * as backend from '../transport/vhost-user/backend.ts'
import type * as fsDevice from '../transport/vhost-user/fs-device.ts'
import type * as p9Device from '../transport/vhost-user/p9-device.ts'
import type { Later } from '../tree/later.ts'
import type { Exports } from '../tree/tree.ts'
import { type Client, Commands } from './commands.ts'
import { Connection } from './connection.ts'
import { Listener } from './listener.ts'
import { LogBudget } from './log-budget.ts'
import { Loop } from './loop.ts'
import { SandboxError, enterSandbox } from './sandbox.ts'
import type { EngineStart, Listen, Served } from './share.ts'
import { StarterChannel } from './starter-channel.ts'
import { coldReads } from './uring-reads.ts'

/**
 * Serves what the starter sends, until the starter says so or is gone. All of it is synchronous: before the sandbox nothing
 * may make Node start a thread that reads or writes files, such as those of an asynchronous import().
 */
export function serve(): void {
  const unbound = bindToStarter()
  // The starter gets these too (Ctrl-C, systemd's stop), and decides. SIGUSR1 would start Node's inspector.
  ignoreSignals('SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1')
  // Errors with an errno are ordinary answers, so no time is spent on their stacks.
  Error.stackTraceLimit = 0
  const channel = new StarterChannel()
  const start = channel.start()
  if (start === undefined) return
  const budget = new LogBudget((line) => channel.tell({ kind: 'log', line }))
  const log = (line: string): void => budget.log(line)
  if (unbound !== undefined) log(unbound)
  try {
    serveExports(start, channel, log)
  } catch (error) {
    if (error instanceof SandboxError) {
      channel.tell({ kind: 'failed', errno: null, what: error.message, index: null })
    } else {
      const what = error instanceof ErrnoError ? error.operation : String(error)
      const index =
        error instanceof ExportError ? start.served.exports.indexOf(error.exported) : null
      channel.tell({ kind: 'failed', errno: errnoOf(error), what, index })
    }
  }
  channel.flush()
}

/** A process that hangs in a system call does not hear of its starter's end otherwise. @returns a line for the log. */
function bindToStarter(): string | undefined {
  try {
    dieWithParent()
    return undefined
  } catch (error) {
    if (!(error instanceof ErrnoError)) throw error
    return `the kernel does not end it with its starter: ${error.message}`
  }
}

function serveExports(
  start: EngineStart,
  channel: StarterChannel,
  log: (line: string) => void,
): void {
  const { served } = start
  // Clients have applied the guest's umask already.
  process.umask(0)
  const loop = new Loop()
  let exports: HostExports | undefined
  try {
    const cold = coldReads()
    if (typeof cold === 'string') log(cold)
    else loop.add(cold)
    exports = new HostExports(
      served.exports,
      loop.later,
      typeof cold === 'string' ? undefined : cold,
    )
    // The folder that the starter was in can be unmounted meanwhile.
    process.chdir('/')
    const devices = loadDevices(new Set(start.sockets.map(({ listen }) => listen.kind)))
    // The sandbox cannot be left again, so it comes last before clients are served.
    log(enterSandbox(served.sandbox, exports.trees))
    prepare(start, exports, loop, channel, devices, log)
    channel.tell({ kind: 'serving' })
    loop.run()
  } finally {
    // Sessions hold nodes, so they are closed before the trees.
    loop.close()
    exports?.close()
  }
}

type Devices = ReturnType<typeof loadDevices>

/** Loaded on demand: a tenth of what this process loads, and many engines do not use it. */
function loadDevices(kinds: ReadonlySet<Listen['kind']>) {
  const load = createRequire(import.meta.url)
  const has9p = kinds.has('vhost-user')
  const hasFs = kinds.has('virtiofs')
  return {
    ...(has9p || hasFs ? (load('../transport/vhost-user/backend.js') as typeof backend) : {}),
    ...(has9p ? (load('../transport/vhost-user/p9-device.js') as typeof p9Device) : {}),
    ...(hasFs ? (load('../transport/vhost-user/fs-device.js') as typeof fsDevice) : {}),
  }
}

/** The device at an address; undefined for an address of streams. */
function deviceAt(
  listen: Listen,
  devices: Devices,
  exports: Exports,
  limits: Served['limits'],
  log: (line: string) => void,
  later: Later,
): Device | undefined {
  if (listen.kind === 'vhost-user' && devices.P9Device !== undefined) {
    return new devices.P9Device({ exports, limits, tag: listen.tag, log })
  }
  if (listen.kind === 'virtiofs' && devices.FsDevice !== undefined) {
    return new devices.FsDevice({
      exports,
      limits,
      policy: listen,
      tag: listen.offersTag,
      log,
      later,
    })
  }
  return undefined
}

/** Accepts the clients of all sockets, and obeys the starter, as soon as the loop runs. */
function prepare(
  { served, sockets }: EngineStart,
  exports: Exports,
  loop: Loop,
  channel: StarterChannel,
  devices: Devices,
  log: (line: string) => void,
): void {
  const { limits, once = false } = served
  const clients = new Set<Client>()
  const commands = new Commands(
    clients,
    loop.later,
    (message) => channel.tell(message),
    () => loop.stop(),
  )
  let number = 0
  /** Whether the log already has a line about the limit of connections. */
  let isFull = false
  /** Sessions that are still to be resumed, by the index of the address. */
  const resume = sockets.map((socket) => [...socket.resume])

  const onAccept = (fd: number, place: number, listen: Listen): void => {
    if (once && [...clients].some(({ watched }) => watched.hasSpoken)) {
      discard(fd)
      log('its client is there, and another one is not let in')
      return
    }
    if (clients.size >= limits.connections) {
      discard(fd)
      if (!isFull) log(`${clients.size} clients are connected, and more are not let in`)
      isFull = true
      return
    }
    if (listen.kind === 'tcp') setNoDelay(fd)
    const name = `client ${++number}`
    const say = (line: string): void => log(`${name}: ${line}`)
    const onEnd = (_watched: Watched, reason: string): void => {
      say(reason)
      clients.delete(client)
      isFull = false
      loop.remove(client.watched)
      if (once && watched.hasSpoken) channel.tell({ kind: 'left' })
    }
    const saved = resume[place]?.shift()
    const device = deviceAt(listen, devices, exports, limits, say, loop.later)
    const watched =
      device !== undefined && devices.Backend !== undefined
        ? new devices.Backend(
            fd,
            loop,
            device,
            { log: say, onEnd },
            'unsealed' in listen && listen.unsealed ? 'any' : 'sealed',
          )
        : new Connection(fd, loop, exports, limits, say, onEnd)
    const client: Client = { watched, place, listen }
    try {
      loop.add(watched)
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error
      // The loop has closed it.
      say(`could not be accepted: ${error.message}`)
      return
    }
    clients.add(client)
    say(saved === undefined ? 'connected' : 'connected, and goes on where it was saved')
    if (!saved || !(watched instanceof Connection)) return
    channel.tell({ kind: 'resumed', lost: commands.resume(watched, saved) })
  }
  for (const [place, { fd, listen }] of sockets.entries()) {
    loop.add(new Listener(fd, (accepted) => onAccept(accepted, place, listen), log))
  }
  channel.listen(
    (command) => commands.obey(command),
    () => loop.stop(),
  )
  loop.add(channel)
}
