import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { runApt, writeAptConfiguration } from './apt.ts'
import { architecture } from './architecture.ts'
import { cacheFolder } from './cache.ts'
import { ProvisionError, explainFileError } from './provision-error.ts'
import { type Host, defaultSuite, readHost } from './host.ts'
import {
  type Source,
  TARGET_FORMAT,
  type Target,
  chooseSources,
  findMirror,
  parseTargets,
  shownMirror,
} from './mirror.ts'
import { makePartial, removeFolder } from './partial.ts'

/** An upper bound for the disk space of apt's copy of a suite's index, in bytes. */
const INDEX_SPACE = 200e6

/** Arguments with which apt-get follows dependencies, and not recommendations. */
const INSTALL = ['install', '--no-install-recommends', '--yes']

/** What a fetch is busy with. */
export type ProgressPhase = 'index' | 'download' | 'unpack' | 'install' | 'finish'

/** One step of a fetch, to be shown to a person. */
export interface Progress {
  readonly phase: ProgressPhase
  /** What is being fetched, in a few words: "QEMU 7.2: 74 packages". */
  readonly detail: string
  /** How much of `total` is done: bytes in the phase `download`, packages in all others. */
  readonly done?: number
  readonly total?: number
}

export type OnProgress = (progress: Progress) => void

/** Options of every fetch. */
export interface FetchOptions {
  /** The Debian suite to fetch from: "bookworm", "sid", …; the host's own by default. */
  readonly suite?: string | undefined
  /** The folder that keeps what was fetched; `cacheFolder()` by default. */
  readonly cache?: string | undefined
  readonly onProgress?: OnProgress | undefined
  /** Ends the fetch; nothing incomplete remains in the cache. */
  readonly signal?: AbortSignal | undefined
}

/** What to download, and what to call it in progress reports. */
export interface DownloadRequest {
  readonly packages: readonly string[]
  /** Whether to download all dependencies of the packages as well, down to libc. */
  readonly closure: boolean
  readonly detail: string
}

/**
 * One suite of Debian's archive, seen through an apt configuration of this object's own. apt downloads
 * packages and checks their signatures; nothing is installed. Disposing of it removes apt's copy of the index.
 */
export class Archive implements AsyncDisposable {
  readonly suite: string
  /** The suite on the mirror that it is fetched from, and its updates. */
  readonly sources: readonly Source[]
  readonly cache: string
  readonly onProgress: OnProgress
  readonly signal: AbortSignal | undefined
  readonly #folder: string
  readonly #configuration: string

  private constructor(
    options: FetchOptions & { suite: string; sources: readonly Source[]; cache: string },
    folder: string,
    configuration: string,
  ) {
    this.suite = options.suite
    this.sources = options.sources
    this.cache = options.cache
    this.onProgress = options.onProgress ?? (() => {})
    this.signal = options.signal
    this.#folder = folder
    this.#configuration = configuration
  }

  /**
   * Fetches the suite's index (10 MB or so) from the mirror that this machine uses.
   *
   * @throws ProvisionError if there is no apt, no network, no such suite, or no space on the disk.
   */
  static async open(options: FetchOptions = {}): Promise<Archive> {
    const { cache = cacheFolder(), onProgress, signal } = options
    const host = await readHost()
    const suite = options.suite ?? defaultSuite(host)
    const targets = await readTargets(host, signal)
    const sources = chooseSources(suite, targets, host)
    onProgress?.({ phase: 'index', detail: indexDetail(sources, findMirror(targets, host)) })
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
      return new Archive({ ...options, suite, sources, cache }, folder, configuration)
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
   * @returns The paths of the .deb files: of these packages and, with `closure`, of their dependencies,
   *   without recommendations.
   */
  async download({ packages, closure, detail }: DownloadRequest): Promise<string[]> {
    const folder = join(this.#folder, 'archives')
    const command = closure
      ? [...INSTALL, '--download-only', ...packages]
      : ['download', ...packages]
    const options = ['-c', this.#configuration, '-q']
    const files = await this.#list(command)
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

  /**
   * The file names of packages and of their dependencies, as {@link download} with `closure` will name them. Call it
   * before the download: apt does not list packages that it has downloaded already.
   */
  async resolve(packages: readonly string[]): Promise<string[]> {
    const files = await this.#list([...INSTALL, ...packages])
    return files.map(({ name }) => name)
  }

  /**
   * The arguments with which apt-get installs packages of this archive without downloading any. The caller
   * appends the names of the packages.
   *
   * @param settings options of apt that come in addition to the archive's own, or replace them.
   */
  installArguments(settings: Readonly<Record<string, string>>): string[] {
    const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])
    return ['-c', this.#configuration, ...options, '-q', '--no-download', ...INSTALL]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeFolder(this.#folder)
  }

  async #list(command: readonly string[]): Promise<{ name: string; size: number }[]> {
    const options = ['-c', this.#configuration, '-qq', '--print-uris']
    return parseUris(await runApt('apt-get', [...options, ...command], { signal: this.signal }))
  }

  /** The size of packages once they are unpacked, in bytes. */
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

/**
 * The indexes that the machine's apt is configured to use. apt lists only those that it has fetched; where no mirror of
 * Debian is among them, as before the machine's first `apt update`, these are the ones that it would fetch.
 */
async function readTargets(host: Host, signal: AbortSignal | undefined): Promise<Target[]> {
  const list = ['indextargets', '--format', TARGET_FORMAT]
  const fetched = parseTargets(await runApt('apt-get', list, { signal }))
  if (findMirror(fetched, host) !== undefined) return fetched
  return parseTargets(await runApt('apt-get', [...list, '--no-release-info'], { signal }))
}

/** Which index is fetched from where, and why from there if it is not the mirror of this machine's apt. */
function indexDetail([source]: readonly Source[], mirror: string | undefined): string {
  if (source === undefined) return 'Debian'
  const from = `Debian ${source.suite} from ${shownMirror(source.uri)}`
  return mirror === undefined
    ? `${from} (the public mirror: apt on this machine is not configured for a mirror of Debian)`
    : from
}

/**
 * Makes sure that a disk has space before anything is downloaded to it. apt does not always notice a
 * disk that fills up: while it fetches an index it may wait for ever.
 *
 * @param bytes how much is about to be written.
 * @throws ProvisionError `disk-full`.
 */
async function requireSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  const free = bavail * bsize
  if (free >= bytes) return
  throw new ProvisionError(
    'disk-full',
    `There is not enough space for downloads in ${folder}: ${megabytes(bytes)} are needed and ` +
      `${megabytes(free)} are free. Set LOWERDIR_CACHE to a folder on another disk.`,
  )
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`
}

/** Parses what `--print-uris` prints: `'uri' file size hash`, sizes in bytes. */
function parseUris(text: string): { name: string; size: number }[] {
  return [...text.matchAll(/^'[^']*' (\S+) (\d+)/gm)].map(([, name = '', size]) => {
    return { name, size: Number(size) }
  })
}
