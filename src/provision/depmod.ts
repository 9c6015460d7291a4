import { join } from 'node:path'
import type { Archive } from './archive.ts'
import { runProgram } from '../util/program.ts'
import { ProvisionError } from './provision-error.ts'
import { placeLoader, throughLoader } from './loader.ts'
import { makePartial, removeFolder } from './partial.ts'
import { unpackPackages } from './unpack.ts'

/**
 * kmod, which depmod is a part of, and the library that decompresses Debian's modules: newer versions of
 * kmod load it on demand and do not depend on it.
 */
const PACKAGES = ['kmod', 'liblzma5']

/**
 * Writes the index files (modules.dep, modules.alias, modules.softdep, …) of a fetched kernel, as
 * installing its package would have done. kmod is fetched from the same suite for this (6 MB): the
 * host may have none, or one that cannot read that suite's modules, and busybox's depmod leaves
 * out modules.softdep and the binary indexes that modprobe in the guest wants.
 *
 * @param root The folder that has lib/modules/RELEASE in it.
 */
export async function indexModules(archive: Archive, root: string, release: string): Promise<void> {
  const { cache, signal, onProgress } = archive
  const detail = `the module index of ${release}`
  const tools = await makePartial(cache)
  try {
    const files = await archive.download({ packages: PACKAGES, closure: true, detail })
    await unpackPackages(files, tools, { detail, onProgress, signal })
    await placeLoader(tools)
    onProgress({ phase: 'finish', detail })
    const { command, args } = throughLoader(tools, 'usr/bin/kmod', 'depmod')
    // Not the host's /etc/depmod.d, which is written for the host's modules.
    const options = ['--basedir', root, '--config', join(tools, 'etc'), release]
    const { status, stderr } = await runProgram(command, [...args, ...options], { signal })
    if (status !== 0) {
      throw new ProvisionError('failed', `depmod failed for ${release}: ${stderr.trim()}`)
    }
  } finally {
    await removeFolder(tools)
  }
}
