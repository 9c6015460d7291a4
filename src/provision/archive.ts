import { join } from 'node:path'
import { runApt, writeAptConfiguration } from './apt.ts'
import { architecture } from './architecture.ts'
import { cacheFolder } from './cache.ts'
import { ProvisionError, explainFileError } from './failure.ts'
import { defaultSuite, readHost } from './host.ts'
import { TARGET_FORMAT, chooseSources, parseTargets } from './mirror.ts'
import { makePartial, removeFolder } from './partial.ts'
import type { OnProgress } from './progress.ts'
import { requireSpace } from './space.ts'

/** What apt's copy of a suite's index takes while it is in use, in bytes, generously. */
const INDEX_SPACE = 200e6

/** What every fetch can be told. */
export interface FetchOptions {
  /** The Debian suite to fetch from: "bookworm", "sid", …; the host's own by default. */
  readonly suite?: string | undefined
  /** The folder that fetched things are kept in; `cacheFolder()` by default. */
  readonly cache?: string | undefined
  readonly onProgress?: OnProgress | undefined
  /** Ends the fetch; nothing half done remains. */
  readonly signal?: AbortSignal | undefined
}

/** What to download, and what to call it in progress reports. */
export interface DownloadRequest {
  readonly packages: readonly string[]
  /** Whether everything that the packages depend on comes along, down to libc. */
  readonly closure: boolean
  readonly detail: string
}

/**
 * One suite of Debian's archive as apt sees it, opened for this process alone and forgotten when
 * disposed of. Packages are downloaded and checked by apt, and never installed.
 */
export class Archive implements AsyncDisposable {
  readonly suite: string
  readonly cache: string
  readonly onProgress: OnProgress
  readonly signal: AbortSignal | undefined
  readonly #folder: string
  readonly #configuration: string

  private constructor(
    options: FetchOptions & { suite: string; cache: string },
    folder: string,
    configuration: string,
  ) {
    this.suite = options.suite
    this.cache = options.cache
    this.onProgress = options.onProgress ?? (() => {})
    this.signal = options.signal
    this.#folder = folder
    this.#configuration = configuration
  }

  /**
   * Fetches the suite's index (10 MB or so) from the mirror that this machine uses.
   *
   * @throws ProvisionError if there is no apt, no network, no such suite, or no room.
   */
  static async open(options: FetchOptions = {}): Promise<Archive> {
    const { cache = cacheFolder(), onProgress, signal } = options
    const host = await readHost()
    const suite = options.suite ?? defaultSuite(host)
    const listing = await runApt('apt-get', ['indextargets', '--format', TARGET_FORMAT], { signal })
    const sources = chooseSources(suite, parseTargets(listing), host)
    onProgress?.({ phase: 'index', detail: `Debian ${suite}` })
    let folder: string
    try {
      folder = await makePartial(cache)
    } catch (error) {
      throw explainFileError(error, cache)
    }
    try {
      await requireSpace(cache, INDEX_SPACE)
      const { debian } = architecture()
      const configuration = await writeAptConfiguration(folder, sources, debian)
      await runApt('apt-get', ['-c', configuration, '-q', 'update'], { signal })
      return new Archive({ ...options, suite, cache }, folder, configuration)
    } catch (error) {
      await removeFolder(folder)
      throw explainFileError(error, cache)
    }
  }

  /** The version of a package that the suite offers. */
  async version(name: string): Promise<string> {
    return (await this.#show(name)).get('Version') ?? ''
  }

  /** The names of the packages that a package depends on; of alternatives, the first. */
  async dependencies(name: string): Promise<string[]> {
    const depends = (await this.#show(name)).get('Depends') ?? ''
    return depends
      .split(',')
      .map((item) => /^[^\s:(|]+/.exec(item.trim())?.[0])
      .filter((item) => item !== undefined)
  }

  /**
   * Downloads packages into this archive's own folder.
   *
   * @returns The paths of the .deb files: of these packages and, with `closure`, of all that they
   *   depend on, without what they merely recommend.
   */
  async download({ packages, closure, detail }: DownloadRequest): Promise<string[]> {
    const folder = join(this.#folder, 'archives')
    const command = closure
      ? ['install', '--download-only', '--no-install-recommends', '--yes', ...packages]
      : ['download', ...packages]
    const options = ['-c', this.#configuration, '-q']
    const listing = await runApt('apt-get', [...options, '-qq', '--print-uris', ...command], {
      signal: this.signal,
    })
    const files = parseUris(listing)
    const total = files.reduce((sum, { size }) => sum + size, 0)
    await requireSpace(this.cache, total + (await this.#installedSize(files)))
    this.onProgress({ phase: 'download', detail, done: 0, total })
    await runApt('apt-get', [...options, '-o', 'APT::Status-Fd=3', ...command], {
      cwd: folder,
      signal: this.signal,
      onStatusLine: (line) => {
        const percent = /^dlstatus:\d+:([\d.]+):/.exec(line)?.[1]
        if (percent === undefined) return
        const done = Math.round((Number(percent) * total) / 100)
        this.onProgress({ phase: 'download', detail, done, total })
      },
    })
    return files.map(({ name }) => join(folder, name))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeFolder(this.#folder)
  }

  /** What packages take once they are unpacked, in bytes. */
  async #installedSize(files: readonly { name: string }[]): Promise<number> {
    const names = files.map(({ name }) => name.slice(0, name.indexOf('_')))
    const query = ['-c', this.#configuration, 'show', '--no-all-versions', ...names]
    const text = await runApt('apt-cache', query, { signal: this.signal })
    const sizes = text.matchAll(/^Installed-Size: (\d+)/gm)
    return [...sizes].reduce((sum, [, kibibytes]) => sum + Number(kibibytes) * 1024, 0)
  }

  /** The fields of a package's entry in the index. */
  async #show(name: string): Promise<Map<string, string>> {
    const query = ['-c', this.#configuration, 'show', '--no-all-versions', name]
    const text = await runApt('apt-cache', query, { signal: this.signal }).catch(
      (error: unknown) => {
        // apt-cache does not say which package it was.
        if (!(error instanceof ProvisionError) || error.code !== 'unknown-package') throw error
        const message = `Debian ${this.suite} has no package ${name}.`
        throw new ProvisionError('unknown-package', message, { cause: error })
      },
    )
    return new Map(
      [...text.matchAll(/^([A-Za-z-]+): (.*)$/gm)].map(([, key = '', value = '']) => [key, value]),
    )
  }
}

/** Parses what `--print-uris` prints: `'uri' file size hash`, sizes in bytes. */
function parseUris(text: string): { name: string; size: number }[] {
  return [...text.matchAll(/^'[^']*' (\S+) (\d+)/gm)].map(([, name = '', size]) => {
    return { name, size: Number(size) }
  })
}
