import { readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Pixmap, parsePixmap } from './pixmap.ts'
import type { Artifacts } from '../record/artifacts.ts'
import type { Recorder } from '../record/recorder.ts'

/** What a screen is seen through. */
export interface ScreenParts {
  /** The machine's name. */
  readonly name: string
  /** Asks QEMU's monitor. */
  readonly qmp: (command: string, parameters: Readonly<Record<string, unknown>>) => Promise<unknown>
  /** A folder that QEMU may write to. */
  readonly folder: string
  readonly recorder: Recorder
  readonly artifacts: Artifacts | undefined
}

/** What a machine's graphics card shows. QEMU draws it, so nothing in the guest has to help. */
export class Screen {
  readonly #parts: ScreenParts
  #dumps = 0
  #screenshots = 0

  constructor(parts: ScreenParts) {
    this.#parts = parts
  }

  /**
   * Takes a picture: it is returned, kept among the machine's artifacts, and written to `file` if there is one.
   *
   * @returns a PNG file.
   */
  async screenshot(file?: string): Promise<Buffer> {
    const { artifacts, recorder } = this.#parts
    // Of QEMU 7.1 and later.
    const png = await this.#dump({ format: 'png' })
    if (file !== undefined) await writeFile(resolve(file), png)
    if (artifacts !== undefined) {
      const name = `screenshot-${++this.#screenshots}.png`
      await writeFile(artifacts.file(name), png)
      recorder.event({ kind: 'screenshot', file: name })
    }
    return png
  }

  /** Its pixels as they are now. */
  async pixmap(): Promise<Pixmap> {
    return parsePixmap(await this.#dump({}))
  }

  async #dump(format: { readonly format?: 'png' }): Promise<Buffer> {
    const { name, qmp, folder } = this.#parts
    const filename = join(folder, `screen-${++this.#dumps}`)
    try {
      await qmp('screendump', { filename, ...format })
      return await readFile(filename)
    } catch (cause) {
      const why = (cause as Error).message
      throw new Error(`The screen of ${name} cannot be seen (boot's option \`screen\`): ${why}`, {
        cause,
      })
    } finally {
      await rm(filename, { force: true })
    }
  }
}
