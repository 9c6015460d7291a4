import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { release as hostRelease } from 'node:os'
import { join } from 'node:path'
import { KernelError, elfBeside, readKernel } from '../guest/kernel.ts'
import type { Kernel } from '../guest/kernel.ts'
import { uncompressedKernel } from '../guest/uncompressed-kernel.ts'
import { instead } from '../util/error.ts'
import { writeSparse } from '../util/sparse-file.ts'
import type { Archive, FetchOptions } from './archive.ts'
import { architecture } from './architecture.ts'
import { cacheFolder } from './cache.ts'
import { indexModules } from './depmod.ts'
import { ProvisionError } from './provision-error.ts'
import { listFetched } from './manifest.ts'
import type { Fetched } from './manifest.ts'
import { namedPath } from './lookup.ts'
import { store, withArchive } from './store.ts'
import { compareVersions } from './version.ts'

/** A kernel and how it was found. */
export interface FoundKernel extends Kernel {
  readonly source: 'option' | 'cache' | 'host'
}

/** Where to look for a kernel. */
export interface FindKernelOptions {
  /** The one that the user named, which is then the only candidate. Default: `$LOWERDIR_KERNEL`. */
  readonly path?: string | undefined
  /** Accept only this release. */
  readonly release?: string | undefined
  /** Accept only a fetched one of this suite. */
  readonly suite?: string | undefined
  readonly cache?: string | undefined
  /** The root of the host's file system. */
  readonly root?: string | undefined
}

/**
 * Finds a kernel for guests: the one that the user named, else the newest fetched one, else the one
 * that the host runs, else the host's newest. Fetched ones come before the host's because they are
 * known to have what a guest needs, and do not change when the host is upgraded.
 *
 * @throws KernelError if the named kernel cannot be used.
 * @throws ProvisionError if none is found; it says why each kernel that is here was passed over.
 */
export async function findKernel(options: FindKernelOptions = {}): Promise<FoundKernel> {
  const { release, suite, cache = cacheFolder(), root = '/' } = options
  const isChosen = release !== undefined || suite !== undefined
  const named = isChosen ? options.path : namedPath('kernel', options.path)
  if (named !== undefined) return { ...(await readKernel(named, root)), source: 'option' }

  const faults: string[] = []
  const accept = async (image: string, source: 'cache' | 'host') => {
    try {
      const kernel = await readKernel(image, root)
      if (release === undefined || kernel.release === release) return { ...kernel, source }
    } catch (error) {
      if (!(error instanceof KernelError)) throw error
      if (error.code !== 'missing') faults.push(error.message)
    }
    return undefined
  }
  for (const { folder, manifest } of await listFetched(join(cache, 'kernels'), suite)) {
    const found = await accept(join(folder, manifest.main), 'cache')
    if (found !== undefined) return found
  }
  if (suite === undefined) {
    for (const image of await hostImages(root)) {
      const found = await accept(image, 'host')
      if (found !== undefined) return found
    }
  }
  const which = [release, suite && `of Debian ${suite}`].filter(Boolean).join(' ')
  const how = suite === undefined ? '' : ` --suite ${suite}`
  throw new ProvisionError(
    'not-found',
    [
      `No guest kernel ${which}${which && ' '}found. \`lowerdir setup${how}\` fetches one.`,
      ...faults.map((fault) => `Passed over: ${fault}`),
    ].join('\n'),
  )
}

/**
 * Fetches the newest kernel of a suite with all of its modules (70 to 130 MB to download, 130 to
 * 400 MB on disk). Returns one that has been fetched before as it is.
 *
 * All modules are kept, also those for hardware that no guest has: a test may load any of them,
 * modules of one folder depend on modules of another, and newer kernels compress them.
 */
export async function fetchKernel(source: Archive | FetchOptions = {}): Promise<FoundKernel> {
  return withArchive(source, async (archive) => {
    const { kernelPackage } = architecture()
    const { release, packages } = await choosePackages(archive, kernelPackage)
    const fetched: Fetched = await store(archive, {
      place: join('kernels', release),
      title: 'kernel',
      package: kernelPackage,
      version: release,
      packages,
      closure: false,
      main: 'vmlinuz',
      finish: async (folder) => {
        await keepKernel(folder, release)
        await keepUncompressed(join(folder, 'vmlinuz'))
        await indexModules(archive, folder, release)
      },
    })
    const image = join(fetched.folder, fetched.manifest.main)
    return { ...(await readKernel(image)), source: 'cache' }
  })
}

/**
 * Follows a suite's metapackage for its newest kernel to the packages that have the files. Up to
 * Debian 13 that is one package, linux-image-RELEASE; later it is split into linux-binary-RELEASE,
 * linux-modules-RELEASE and linux-base-RELEASE.
 */
async function choosePackages(
  archive: Archive,
  kernelPackage: string,
): Promise<{ release: string; packages: string[] }> {
  const image = (await archive.dependencies(kernelPackage)).find((name) =>
    /^linux-image-\d/.test(name),
  )
  if (image === undefined) {
    throw new ProvisionError('failed', `The package ${kernelPackage} names no kernel.`)
  }
  const release = image.slice('linux-image-'.length)
  const parts = (await archive.dependencies(image)).filter(
    (name) => name.startsWith('linux-') && name.endsWith(`-${release}`),
  )
  return { release, packages: [image, ...parts] }
}

/** Leaves `vmlinuz` and `lib/modules/RELEASE` in the folder, wherever the packages had them. */
async function keepKernel(folder: string, release: string): Promise<void> {
  const modules = join(folder, 'usr/lib/modules')
  const images = [join(folder, 'boot', `vmlinuz-${release}`), join(modules, release, 'vmlinuz')]
  for (const image of images) {
    await rename(image, join(folder, 'vmlinuz')).catch(instead(undefined, 'ENOENT'))
  }
  await rename(modules, join(folder, 'modules'))
  for (const name of await readdir(folder)) {
    if (name === 'vmlinuz' || name === 'modules') continue
    await rm(join(folder, name), { recursive: true })
  }
  await mkdir(join(folder, 'lib'))
  await rename(join(folder, 'modules'), join(folder, 'lib/modules'))
}

/** Puts the decompressed kernel beside its image, if it can be had (30 to 45 MB on disk: its zeros are holes). */
async function keepUncompressed(image: string): Promise<void> {
  const kernel = await uncompressedKernel(image)
  if (kernel !== undefined) await writeSparse(elfBeside(image), kernel)
}

/** The host's own kernels: the running one, then the others, newest first. */
async function hostImages(root: string): Promise<string[]> {
  // Some distributions let only root look into /boot.
  const none = instead<string[]>([], 'ENOENT', 'ENOTDIR', 'EACCES')
  const boot = await readdir(join(root, 'boot')).catch(none)
  const modules = await readdir(join(root, 'lib/modules')).catch(none)
  const releases = [
    ...boot.filter((name) => name.startsWith('vmlinuz-')).map((name) => name.slice(8)),
    ...modules,
  ].toSorted((a, b) => compareVersions(b, a))
  return [...new Set([hostRelease(), ...releases])].flatMap((release) => [
    join(root, 'boot', `vmlinuz-${release}`),
    join(root, 'lib/modules', release, 'vmlinuz'),
  ])
}
