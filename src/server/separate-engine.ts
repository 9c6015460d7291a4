import { checkSaved } from '../9p/saved-session.ts'
import { discard } from '../sys/files.ts'
import { seqpacketPair } from '../sys/sockets.ts'
import { exportNamed } from '../tree/host/host-exports.ts'
import { fromText } from '../util/text.ts'
import { type Engine, openEngine } from './engine.ts'
import type { Listen, SavedConnection, Share } from './share.ts'

/** Whether the exports of a share can be in processes of their own, and are to be. */
export function isSeparable({ separate, once, exports, listen }: Share): boolean {
  return (
    separate === true &&
    once !== true &&
    exports.length > 1 &&
    listen.every(({ kind }) => kind !== 'vhost-user')
  )
}

/**
 * Starts a process for each export, and one that accepts their clients. That one answers what comes before a client's first
 * Tattach, and passes the client on to the process of the export that this names (SCM_RIGHTS of unix(7)). A device `virtiofs`
 * names its export, so the process of that export has its socket.
 *
 * An export whose process ends is not started again: its clients have lost their fids anyway. Attaching to it is EIO from then
 * on, and the others go on. If the accepting process ends, all end.
 *
 * @param log gets the lines of all, those of an export behind its name.
 * @throws as {@link openEngine}.
 */
export function openSeparateEngine(share: Share, log: (line: string) => void): Engine {
  const { exports, limits } = share
  const names = exports.map(({ name }) => name)
  const saved = share.resume ?? []
  for (const { stream } of saved) checkSaved(stream.session, limits)
  const owners = saved.map((each) => ownerOf(each, names))
  const places = share.listen.map((listen) => placeOf(listen, names))
  /** The addresses of streams, by their indexes. The router's own indexes are those of this list. */
  const streams = places.flatMap((owner, place) => (owner === undefined ? [place] : []))
  const inner = (place: number): number => streams.indexOf(place)
  const outer = ({ place, stream }: SavedConnection): SavedConnection => ({
    place: streams[place] ?? -1,
    stream,
  })
  const listenAt = (owner: number | undefined): Listen[] =>
    share.listen.filter((_listen, place) => places[place] === owner)

  const engines: Engine[] = []
  const pairs: (readonly [number, number])[] = []
  const open = (): Engine => {
    for (const _ of exports) pairs.push(seqpacketPair())
    const routes = pairs.map(([fd], i) => ({ fd, name: names[i] ?? null }))
    const resume = saved.map(({ place, stream }, i) => {
      const route = owners[i]
      return { place: inner(place), resumed: route === undefined ? stream : { route } }
    })
    const part = { ...share, listen: listenAt(undefined), resume: [] }
    const passing = { kind: 'router', routes } as const
    const router = openEngine(part, log, undefined, { passing, resume })
    engines.push(router)
    for (const [own, exported] of exports.entries()) {
      const say = (line: string): void => log(`${exported.name ?? exported.directory}: ${line}`)
      const sessions = saved
        .filter((_each, i) => owners[i] === own)
        .map(({ place, stream }) => ({ place: inner(place), stream }))
      const passed = {
        kind: 'export',
        fd: pairs[own]?.[1] ?? -1,
        names,
        own,
        resume: sessions,
      } as const
      const its = { ...share, exports: [exported], listen: listenAt(own), resume: [] }
      engines.push(openEngine(its, say, undefined, { passing: passed, resume: [] }))
    }
    return router
  }
  /** Whatever has happened to them. Each says it by itself, see Engine.ended. */
  const closeAll = async (): Promise<void> => {
    await Promise.allSettled(engines.map((engine) => engine.close()))
  }
  let router: Engine
  try {
    router = open()
  } catch (error) {
    void closeAll()
    throw error
  } finally {
    // The processes have copies. A route is to end with the process that it leads to.
    for (const fd of pairs.flat()) discard(fd)
  }

  const parts = engines.slice(1)
  let isClosing = false
  const close = async (): Promise<void> => {
    isClosing = true
    await closeAll()
    await router.close()
  }
  const serving = allServing(engines, closeAll)
  serving.catch(() => {})
  const ended = (async () => {
    try {
      // The router ends without the others only where it fails.
      await Promise.race([router.ended, Promise.allSettled(parts.map((part) => part.ended))])
      if (!isClosing) await Promise.all(parts.map((part) => part.ended))
      await router.ended
    } finally {
      await closeAll()
    }
  })()
  ended.catch(() => {})

  return {
    listen: share.listen.map((listen, place) => {
      const owner = places[place]
      return (owner === undefined ? router.listen[inner(place)] : listen) ?? listen
    }),
    pid: router.pid,
    processes: parts.flatMap(({ processes }) => processes),
    serving,
    ended,
    resumed: Promise.all(engines.map((engine) => engine.resumed)).then((lost) =>
      lost.reduce((sum, each) => sum + each, 0),
    ),
    async hold() {
      // The router first: a client that it passes on meanwhile is held by its next process.
      for (const engine of engines) await engine.hold()
    },
    async save() {
      const all = await Promise.all(engines.map((engine) => engine.save()))
      return all.flat().map(outer)
    },
    goOn() {
      for (const engine of engines) engine.goOn()
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Resolves when all serve. @param closeAll is called where one cannot, before this rejects. */
async function allServing(
  engines: readonly Engine[],
  closeAll: () => Promise<void>,
): Promise<void> {
  try {
    await Promise.all(engines.map((engine) => engine.serving))
  } catch (error) {
    await closeAll()
    throw error
  }
}

/** The export whose process has an address; undefined for a stream, whose clients choose. */
function placeOf(listen: Listen, names: readonly (string | null)[]): number | undefined {
  if (listen.kind !== 'virtiofs') return undefined
  // Where it names none, its attach fails in any process.
  return Math.max(0, exportNamed(names, fromText(listen.exportName ?? '')))
}

/**
 * The export of a saved session; undefined where it has attached to none.
 *
 * @throws Error where it has attached to several, or to one that there is not.
 */
function ownerOf(
  { stream }: SavedConnection,
  names: readonly (string | null)[],
): number | undefined {
  const [first, ...others] = stream.session.attached.map(({ aname }) => exportNamed(names, aname))
  if (first === undefined) return undefined
  if (first < 0 || others.some((other) => other !== first)) {
    throw new Error(
      'A saved session cannot be resumed: it belongs to several exports, or to none of these.',
    )
  }
  return first
}
