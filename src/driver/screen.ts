import { readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Pixmap, parsePixmap } from './pixmap.ts'
import { REPLACE_CONTENT } from '../util/no-follow.ts'
import type { Artifacts } from '../record/artifacts.ts'
import { type Guest, isGuestError } from './guest.ts'
import type { WaitOptions } from './waits/wait.ts'

/** The picture of a machine's graphics card. QEMU draws it, so it needs no help of the guest. */
export class Screen {
  readonly #guest: Guest
  readonly #artifacts: Artifacts | undefined
  #dumps = 0
  #screenshots = 0

  /** @param artifacts the folder that keeps screenshots, if any. */
  constructor(guest: Guest, artifacts: Artifacts | undefined) {
    this.#guest = guest
    this.#artifacts = artifacts
  }

  /**
   * Takes a screenshot, keeps it among the machine's artifacts, and writes it to `file` if that is given: a symlink there is
   * not followed, and is an error.
   *
   * @returns a PNG file.
   */
  async screenshot(file?: string, options?: WaitOptions): Promise<Buffer> {
    // QEMU writes PNG since 7.1.
    const png = await this.#dump({ format: 'png' }, options)
    if (file !== undefined) await writeFile(resolve(file), png, { flag: REPLACE_CONTENT })
    if (this.#artifacts !== undefined) {
      const name = `screenshot-${++this.#screenshots}.png`
      await writeFile(this.#artifacts.file(name), png, { flag: REPLACE_CONTENT })
      this.#guest.recorder.event({ kind: 'screenshot', file: name })
    }
    return png
  }

  /** The pixels as they are now. */
  async pixmap(options?: WaitOptions): Promise<Pixmap> {
    return parsePixmap(await this.#dump({}, options))
  }

  async #dump(format: { readonly format?: 'png' }, options?: WaitOptions): Promise<Buffer> {
    const filename = join(this.#guest.qemu.folder, `screen-${++this.#dumps}`)
    try {
      await this.#guest.qmp('screendump', { filename, ...format }, options)
      return await readFile(filename)
    } catch (cause) {
      if (isGuestError(cause) || options?.signal?.aborted === true) throw cause
      const why = (cause as Error).message
      throw new Error(
        `${this.#guest.name}: no screenshot (the machine needs \`screen: true\`): ${why}`,
        { cause },
      )
    } finally {
      await rm(filename, { force: true })
    }
  }
}
