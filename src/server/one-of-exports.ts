import { ErrnoError, errno } from '../sys/errno.ts'
import { exportNamed } from '../tree/host/host-exports.ts'
import type { Attachment, Exports } from '../tree/tree.ts'

/** The only export of a process, where the others are in processes of their own. */
export class OneOfExports implements Exports {
  readonly #exports: Exports
  readonly #names: readonly (string | null)[]
  readonly #own: number

  /**
   * @param exports has the one export.
   * @param names those of all exports.
   * @param own the index of the one.
   */
  constructor(exports: Exports, names: readonly (string | null)[], own: number) {
    this.#exports = exports
    this.#names = names
    this.#own = own
  }

  /** @throws ErrnoError EXDEV for another export: a client's connection is with the process of its first. */
  attach(aname: string): Attachment {
    const index = exportNamed(this.#names, aname)
    if (index < 0) throw new ErrnoError(errno.ENOENT, 'attach')
    if (index !== this.#own) throw new ErrnoError(errno.EXDEV, 'attach')
    return this.#exports.attach(aname)
  }
}
