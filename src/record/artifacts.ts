import { mkdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** The environment variable that names the folder of artifacts for a whole run of tests. */
const VARIABLE = 'LOWERDIR_ARTIFACTS'

/** How many machines of one name may have a folder beside each other. */
const MOST = 100_000

/**
 * Where artifacts are kept: the option, else `$LOWERDIR_ARTIFACTS`, else nowhere. An absolute path that
 * may not exist yet.
 */
export function artifactsRoot(option?: string): string | undefined {
  const path = option ?? process.env[VARIABLE]
  return path ? resolve(path) : undefined
}

/**
 * The folder of one machine's artifacts:
 *
 *     events.jsonl   what happened, one event a line
 *     console.log    what the guest's console said
 *     qemu.txt       QEMU's command line, for a shell
 *     journal.txt    systemd's journal
 *     *.png *.pcap   screenshots, and what was seen on the network
 *
 * Whether it is worth keeping is for its maker to say, when the test is over.
 */
export class Artifacts {
  /** Absolute. */
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  /**
   * Makes a folder for a machine: `<root>/<name>`, or `<root>/<name>-2` and so on where there is one
   * already, whoever has made it.
   *
   * @throws what mkdir(2) does, when `root` cannot be written.
   */
  static create(root: string, name: string): Artifacts {
    mkdirSync(root, { recursive: true })
    const base = join(root, fileName(name))
    for (let number = 1; number <= MOST; number += 1) {
      const path = number === 1 ? base : `${base}-${number}`
      try {
        mkdirSync(path)
        return new Artifacts(path)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
    }
    throw new Error(`${root} has ${MOST} machines named ${name}. Empty it.`)
  }

  /** The path of a file in it. */
  file(name: string): string {
    return join(this.path, name)
  }

  /** Removes all of it. */
  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}

/** A name that is one visible part of a path, whatever it was. */
function fileName(name: string): string {
  return (
    name
      .replaceAll(/[^\w.-]+/g, '_')
      .replace(/^\.+/, '')
      .slice(0, 100) || 'machine'
  )
}
