import { type Engine, openEngine } from './engine.ts'
import { isSeparable, openSeparateEngine } from './separate-engine.ts'
import type { Share } from './share.ts'

/**
 * Starts what serves `share` and resolves once it serves: one process, or with {@link Share.separate} several.
 *
 * @param log as for {@link openEngine}.
 * @throws what {@link openEngine} throws; ExportError when a directory cannot be opened: ENOENT, ENOTDIR, EACCES, …;
 *   SandboxError when one is required and incomplete; Error when there can be no further process.
 */
export async function startEngine(
  share: Share,
  log: (line: string) => void = () => {},
): Promise<Engine> {
  const engine = openServer(share, log)
  await engine.serving
  return engine
}

/** As {@link startEngine}, but it does not wait. When this returns, the sockets listen. @throws what {@link openEngine} throws. */
export function openServer(share: Share, log: (line: string) => void): Engine {
  return isSeparable(share) ? openSeparateEngine(share, log) : openEngine(share, log)
}
