import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync } from 'node:fs'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterwards, needsRoot } from './temporary.ts'

const program = fileURLToPath(new URL('hanging-fuse.mjs', import.meta.url))

/** Whether this kernel has file systems of programs. A machine that checks changes has to have them. */
export const cannotHang = !existsSync('/dev/fuse') && process.env['CI'] === undefined

if (cannotHang) console.warn('There is no /dev/fuse: tests of file systems that hang are skipped.')

/** A file system with the files `file` and `hangs`, see hanging-fuse.mjs. It is gone when the test is over. */
export class HangingFiles {
  readonly #child: ChildProcess
  readonly #lines: Interface

  private constructor(child: ChildProcess, lines: Interface) {
    this.#child = child
    this.#lines = lines
  }

  /**
   * @param path where it is mounted; a directory is made there.
   * @param what hangs: the file `hangs` alone, or the directory as well.
   */
  static async mount(path: string, what: 'file' | 'root' = 'file'): Promise<HangingFiles> {
    needsRoot('mounts a file system')
    mkdirSync(path)
    const child = spawn(process.execPath, [program, path, what], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const lines = createInterface({ input: child.stdout })
    afterwards(() => {
      child.kill('SIGKILL')
      execFileSync('umount', ['--lazy', path])
    })
    const files = new HangingFiles(child, lines)
    await files.#printed('mounted')
    return files
  }

  /** Resolves when a process begins to hang. */
  hanging(): Promise<void> {
    return this.#printed('hanging')
  }

  /** Ends it: processes that hang in it go on, with an error. */
  async end(): Promise<void> {
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }

  async #printed(word: string): Promise<void> {
    const ended = once(this.#child, 'exit').then(() => {
      throw new Error(`the file system has ended before it was ${word}`)
    })
    for (;;) {
      const [line] = (await Promise.race([once(this.#lines, 'line'), ended])) as [string]
      if (line === word) return
    }
  }
}
