import { mkdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** The environment variable with the folder of artifacts of a whole run of tests. */
const VARIABLE = 'LOWERDIR_ARTIFACTS'

/** The limit of folders for machines of the same name. */
const MOST = 100_000

/**
 * The folder of artifacts: the option, else `$LOWERDIR_ARTIFACTS`, else undefined, and then none are kept. The path is
 * absolute, and may not exist yet.
 */
export function artifactsRoot(option?: string): string | undefined {
  const path = option ?? process.env[VARIABLE]
  return path ? resolve(path) : undefined
}

/**
 * The folder of one machine's artifacts:
 *
 *     events.jsonl   the record, one event a line
 *     console.log    the text of the guest's console
 *     *-end-?.*      the end of a record or a console that is too long to be kept whole
 *     qemu.txt       QEMU's command line, quoted for a shell
 *     journal.txt    systemd's journal
 *     *.png *.pcap   screenshots, and captures of the network
 *
 * The caller removes the folder when it is not worth keeping, as after a test that has passed.
 */
export class Artifacts {
  /** The absolute path of the folder. */
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  /**
   * Makes a folder for a machine: `<root>/<name>`, or `<root>/<name>-2` and so on where that exists already.
   *
   * @throws the error of mkdir(2) when `root` cannot be written; Error when there are too many of the name.
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
    throw new Error(
      `${root} has artifacts of ${MOST} machines named ${name} already. Remove some, or name another folder.`,
    )
  }

  /** The path of a file in the folder. */
  file(name: string): string {
    return join(this.path, name)
  }

  /** Removes the folder and its files. */
  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}

/** A name made safe as one part of a path: no slashes, not hidden, not empty, at most 100 characters. */
function fileName(name: string): string {
  return (
    name
      .replaceAll(/[^\w.-]+/g, '_')
      .replace(/^\.+/, '')
      .slice(0, 100) || 'machine'
  )
}
