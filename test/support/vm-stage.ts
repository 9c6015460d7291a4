import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cacheFolder } from '../../src/provision/cache.ts'
import { ordinaryId } from './ordinary-user.ts'
import { needsRoot } from './temporary.ts'

const clone = fileURLToPath(new URL('../..', import.meta.url))

/** A command line, and what has to be in its environment. */
export interface StagedCommand {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/**
 * A place where an ordinary user can run this clone with what was fetched, wherever root keeps
 * them: each is mounted there, for the one process and its children.
 */
export class Stage implements Disposable {
  /** The user's own. */
  readonly home: string
  /** Root's; the user may go there. */
  readonly shared: string
  readonly #folder: string

  constructor() {
    needsRoot('becomes another user')
    this.#folder = realpathSync(mkdtempSync(join(tmpdir(), 'lowerdir-test-')))
    chmodSync(this.#folder, 0o755)
    for (const name of ['clone', 'cache']) mkdirSync(join(this.#folder, name))
    writeFileSync(join(this.#folder, 'node'), '')
    this.shared = join(this.#folder, 'shared')
    mkdirSync(this.shared)
    this.home = join(this.#folder, 'home')
    mkdirSync(this.home)
    chownSync(this.home, ordinaryId, ordinaryId)
  }

  /** A path in the clone or in the folder of fetched things, as the user sees it. */
  path(path: string): string {
    for (const [from, to] of [
      [clone, 'clone/'],
      [`${cacheFolder()}/`, 'cache/'],
    ] as const) {
      if (path.startsWith(from)) return join(this.#folder, to, path.slice(from.length))
    }
    return path
  }

  /** @param args what Node runs: a file of the clone and its arguments. */
  node([file = '', ...args]: readonly string[]): StagedCommand {
    const folder = this.#folder
    const script = `set -e
      mount --bind "$1" "$4/clone"; mount --bind "$3" "$4/node"
      # The cache itself is root's alone.
      mount -t tmpfs -o mode=755 cache "$4/cache"
      for part in "$2"/*; do
        mkdir "$4/cache/\${part##*/}"; mount --bind "$part" "$4/cache/\${part##*/}"
      done
      node=$4/node; shift 4
      exec setpriv --reuid=${ordinaryId} --regid=${ordinaryId} --clear-groups -- "$node" "$@"`
    const mounts = [clone, cacheFolder(), process.execPath, folder]
    const own = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, 'sh']
    return {
      argv: [...own, ...mounts, this.path(join(clone, file)), ...args],
      env: { HOME: this.home, TMPDIR: this.home, LOWERDIR_CACHE: join(folder, 'cache') },
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
