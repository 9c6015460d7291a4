import { createRequire } from 'node:module'
import { ErrnoError, errnoOf } from '../sys/errno.ts'
import { dieWithParent, ignoreSignals } from '../sys/process.ts'
import { setNoDelay } from '../sys/sockets.ts'
import { ExportError, HostExports } from '../tree/host/host-exports.ts'
import type { Watched } from '../transport/event-loop.ts'
import { type SavedStream, reasonFor } from '../transport/stream/stream-session.ts'
import type { Device } from '../transport/vhost-user/device.ts'
import type * as backend from '../transport/vhost-user/backend.ts'
import type * as fsDevice from '../transport/vhost-user/fs-device.ts'
import type * as p9Device from '../transport/vhost-user/p9-device.ts'
import type { Later } from '../tree/later.ts'
import type { Exports } from '../tree/tree.ts'
import { type Client, Clients, type Origin } from './clients.ts'
import { Commands } from './commands.ts'
import { Connection } from './connection.ts'
import { Intake } from './intake.ts'
import { Listener } from './listener.ts'
import { LogBudget } from './log-budget.ts'
import { Loop } from './loop.ts'
import { OneOfExports } from './one-of-exports.ts'
import { type PassedClient, streamOf } from './passed-client.ts'
import { Route } from './route.ts'
import { Router } from './router.ts'
import { SandboxError, enterSandbox } from './sandbox.ts'
import type { EngineStart, Listen, VhostUserListen, VirtiofsListen } from './share.ts'
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
    const devices = loadDevices(start.sockets.map(({ listen }) => listen))
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

type DeviceListen = VhostUserListen | VirtiofsListen

function isDevice(listen: Listen): listen is DeviceListen {
  return listen.kind === 'vhost-user' || listen.kind === 'virtiofs'
}

/** What serves the VMMs at addresses of devices. */
interface Devices {
  readonly Backend: typeof backend.Backend
  readonly device: (listen: DeviceListen, served: DeviceOptions) => Device
}

/** What all devices are made with. */
interface DeviceOptions extends Pick<p9Device.P9DeviceOptions, 'exports' | 'limits' | 'log'> {
  readonly later: Later
}

/** Loaded on demand: a tenth of what this process loads, and many engines do not use it. */
function loadDevices(addresses: readonly Listen[]): Devices | undefined {
  if (!addresses.some(isDevice)) return undefined
  const load = createRequire(import.meta.url)
  const has = (kind: Listen['kind']): boolean => addresses.some((listen) => listen.kind === kind)
  const { Backend } = load('../transport/vhost-user/backend.js') as typeof backend
  const p9 = has('vhost-user') && (load('../transport/vhost-user/p9-device.js') as typeof p9Device)
  const fs = has('virtiofs') && (load('../transport/vhost-user/fs-device.js') as typeof fsDevice)
  return {
    Backend,
    device(listen, served) {
      if (listen.kind === 'vhost-user' && p9) {
        return new p9.P9Device({ ...served, tag: listen.tag })
      }
      if (listen.kind === 'virtiofs' && fs) {
        return new fs.FsDevice({ ...served, policy: listen, tag: listen.offersTag })
      }
      throw new TypeError(`the device ${listen.kind} was not loaded`)
    },
  }
}

/** What the clients of this process attach to. */
function exportsFor(
  { served, passing }: EngineStart,
  own: HostExports,
  loop: Loop,
  log: (line: string) => void,
): Exports {
  if (passing === undefined) return own
  if (passing.kind === 'export') return new OneOfExports(own, passing.names, passing.own)
  const names = passing.routes.map(({ name }) => name)
  const routes = passing.routes.map(({ fd, name }) => {
    const label = name ?? 'the export without a name'
    const route = new Route(fd, label, loop, served.limits.connections, ({ number }, why) =>
      log(`client ${number}: could not be passed on to ${label}: ${why}`),
    )
    loop.add(route)
    return route
  })
  return new Router(names, routes)
}

/** Accepts the clients of all sockets, and obeys the starter, as soon as the loop runs. */
function prepare(
  start: EngineStart,
  own: HostExports,
  loop: Loop,
  channel: StarterChannel,
  devices: Devices | undefined,
  log: (line: string) => void,
): void {
  const { sockets, passing } = start
  const { limits, once = false } = start.served
  const exports = exportsFor(start, own, loop, log)
  const router = exports instanceof Router ? exports : undefined
  const clients = new Clients(loop, log, {
    most: limits.connections,
    mayDisplace: router !== undefined,
    once,
    onLeft: () => channel.tell({ kind: 'left' }),
  })
  const commands = new Commands(
    clients,
    loop.later,
    (message) => channel.tell(message),
    () => loop.stop(),
  )
  /** What is still to be resumed, by the index of the address. */
  const resume = sockets.map((socket) => [...socket.resume])
  const passedSessions = passing?.kind === 'export' ? [...passing.resume] : []

  const addConnection = (fd: number, origin: Origin & { readonly kind: PassedClient['kind'] }) =>
    clients.add(origin, ({ say, leave }) => {
      const passOn = (connection: Connection, aname: string): boolean => {
        const route = router?.routeTo(aname)
        if (route === undefined) return false
        const { session, received } = connection.giveAway()
        leave(`attaches to ${route.label}`)
        const { msize } = session
        route.pass(fd, { ...origin, msize, received: Buffer.from(received, 'base64') })
        return true
      }
      const onEnd = (_connection: Connection, reason: string): void => leave(reason)
      const onAttach = router && passOn
      return new Connection(fd, loop, exports, limits, say, onEnd, onAttach)
    })
  const addDevice = (
    fd: number,
    origin: Origin,
    listen: DeviceListen,
    { Backend, device }: Devices,
  ): Client | undefined =>
    clients.add(origin, ({ say, leave }) => {
      const memory = listen.unsealed === true ? 'any' : 'sealed'
      const events = { log: say, onEnd: (_: Watched, reason: string): void => leave(reason) }
      const served = { exports, limits, log: say, later: loop.later }
      return new Backend(fd, loop, device(listen, served), events, memory)
    })
  /** Goes on with a client's session, or ends its connection where that cannot be. */
  const goOn = (client: Client, begin: () => void): void => {
    try {
      begin()
    } catch (error) {
      clients.leave(client, reasonFor(error))
    }
  }
  const resumeSession = (
    client: (Client & { readonly watched: Connection }) | undefined,
    saved: SavedStream,
  ): void => {
    if (client === undefined) return
    clients.say(client, 'connected, and goes on where it was saved')
    goOn(client, () => {
      channel.tell({ kind: 'resumed', lost: commands.resume(client.watched, saved) })
    })
  }

  const onAccept = (fd: number, place: number, listen: Listen): void => {
    if (!clients.hasPlace(fd)) return
    const number = clients.next()
    if (isDevice(listen)) {
      if (devices === undefined) throw new TypeError('no device was loaded')
      const client = addDevice(fd, { number, place, kind: listen.kind }, listen, devices)
      if (client !== undefined) clients.say(client, 'connected')
      return
    }
    const origin = { number, place, kind: listen.kind }
    if (listen.kind === 'tcp') setNoDelay(fd)
    const resumed = resume[place]?.shift()
    if (resumed === undefined) {
      const client = addConnection(fd, origin)
      if (client !== undefined) clients.say(client, 'connected')
    } else if ('route' in resumed) {
      router?.routes[resumed.route]?.pass(fd, { ...origin, msize: 0, received: new Uint8Array() })
    } else resumeSession(addConnection(fd, origin), resumed)
  }
  const onPassed = (fd: number, passed: PassedClient): void => {
    if (!clients.hasPlace(fd)) return
    if (passed.msize > 0) {
      const client = addConnection(fd, passed)
      if (client !== undefined) goOn(client, () => commands.begin(client.watched, streamOf(passed)))
      return
    }
    const index = passedSessions.findIndex(({ place }) => place === passed.place)
    const saved = passedSessions[index]
    if (saved === undefined) throw new Error('there is no session for it')
    passedSessions.splice(index, 1)
    resumeSession(addConnection(fd, passed), saved.stream)
  }
  for (const [place, { fd, listen }] of sockets.entries()) {
    loop.add(new Listener(fd, (accepted) => onAccept(accepted, place, listen), log))
  }
  if (passing?.kind === 'export') loop.add(new Intake(passing.fd, onPassed, log))
  channel.listen(
    (command) => commands.obey(command),
    () => loop.stop(),
  )
  loop.add(channel)
}
