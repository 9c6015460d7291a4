import { mkdtempSync, rmSync } from 'node:fs'

/** A folder in memory, so that the disk is not measured. It is also removed when the process exits. */
export class MemoryFolder implements Disposable {
  readonly path = mkdtempSync('/dev/shm/lowerdir-bench-')
  readonly #remove = (): void => rmSync(this.path, { recursive: true, force: true, maxRetries: 5 })

  constructor() {
    process.once('exit', this.#remove)
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#remove)
    this.#remove()
  }
}
