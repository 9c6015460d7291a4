import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { provideChromium } from './chromium.ts'
import { Devtools } from './devtools.ts'
import { Page } from './page.ts'

/** How long it may take to close, in milliseconds. */
const GRACE = 5000

/** A Chromium without a window. */
export class Browser implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #devtools: Devtools
  readonly #profile: string
  readonly #ended: Promise<void>

  private constructor(child: ChildProcess, profile: string) {
    this.#child = child
    this.#profile = profile
    this.#devtools = new Devtools(child.stdio[3] as Writable, child.stdio[4] as Readable)
    this.#ended = new Promise((resolve) => {
      child.once('close', () => resolve())
    })
  }

  static async start(): Promise<Browser> {
    const starter = await provideChromium()
    const profile = mkdtempSync(join(tmpdir(), 'lowerdir-test-chromium-'))
    const child = spawn(
      starter,
      [
        '--remote-debugging-pipe',
        // Its sandbox is not for root, and needs namespaces that a container may not give.
        '--no-sandbox',
        '--no-zygote',
        '--disable-gpu',
        '--disable-dev-shm-usage',
        `--user-data-dir=${profile}`,
      ],
      { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
    )
    await new Promise((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', reject)
    })
    return new Browser(child, profile)
  }

  /** Opens a page; it is loaded when this resolves. */
  async open(
    url: string,
    size?: { readonly width: number; readonly height: number },
  ): Promise<Page> {
    return Page.open(this.#devtools, url, size)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#devtools.send('Browser.close').catch(() => {})
    const late = setTimeout(() => this.#child.kill('SIGKILL'), GRACE)
    await this.#ended
    clearTimeout(late)
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 })
  }
}
