import { type SessionLimits, defaultLimits } from '../session/session-limits.ts'
import { type Engine, openEngine } from '../server/engine.ts'
import type { SandboxMode } from '../server/sandbox.ts'
import type { SavedConnection } from '../server/share.ts'
import { serveDuplex } from '../transport/stream/duplex.ts'
import type { Control } from './control/control.ts'
import type { EngineExport, Export } from './exports.ts'
import type { Resources } from './resources.ts'
import { listenUnix } from './sockets.ts'

/**
 * The limits of a share of functions. Its requests are copied while they wait, so 1,024 of them take 64 MiB, twice: once as
 * what the function gets, once for the session.
 */
const TREE_LIMITS: SessionLimits = { ...defaultLimits, msize: 1 << 16, fids: 1 << 16 }

/** What servers of a machine take besides their exports. */
export interface ServerOptions {
  readonly control: Control
  /** Whether engines confine themselves to what they serve. */
  readonly sandbox: SandboxMode
  /** The clients of each engine, where a machine goes on from a snapshot. */
  readonly saved: readonly (readonly SavedConnection[])[]
  readonly log: (line: string) => void
}

/**
 * Starts the servers of a machine's exports, all of them closed with `resources`. QEMU can connect to each from now on,
 * also to an engine that does not serve yet.
 *
 * @returns the engines, by their numbers.
 */
export async function startServers(
  exports: readonly Export[],
  { control, sandbox, saved, log }: ServerOptions,
  resources: Resources,
): Promise<Engine[]> {
  const engines: EngineExport[][] = []
  for (const { server, socket, use } of exports) {
    if (server.kind === 'engine') {
      const together = (engines[server.engine] ??= [])
      together.push(server)
    } else if (server.kind === 'tree') {
      const what = typeof use === 'string' ? use : use.target
      await listenUnix(socket, resources, (stream) => {
        const say = (line: string): void => log(`${what}: ${line}`)
        void serveDuplex(server.tree, stream, say, TREE_LIMITS)
      })
    } else if (server.kind === 'control') {
      await listenUnix(socket, resources, (stream) => {
        void control.serve(stream, (line) => log(`control: ${line}`))
      })
    }
  }
  return engines.map((together, i) => {
    const directories = together.map(({ exported }) => exported.directory).join(', ')
    const share = {
      exports: together.map(({ exported }) => exported),
      limits: defaultLimits,
      sandbox,
      listen: together.map(({ listen }) => listen),
      resume: saved[i] ?? [],
    }
    return resources.use(openEngine(share, (line) => log(`${directories}: ${line}`)))
  })
}
