import { join } from 'node:path'
import { version } from '../../machine.ts'
import { type CacheMode, type Peer, cacheModes, virtiofsDevice, virtiofsMount } from '../peer.ts'
import { startLowerdir, startProfiled } from './lowerdir.ts'

/** What is served for each cache mode: as the lower layer of a root, nothing can be changed. */
const served = {
  none: { access: 'rw', caching: 'none' },
  loose: { access: 'rw', caching: 'loose' },
  lower: { access: 'ro', caching: 'loose' },
} as const satisfies Record<CacheMode, unknown>

/** lowerdir's server as a file system device: one process and one device for each cache mode. */
export const lowerdirVirtiofs: Peer = {
  name: 'lowerdir',
  protocol: 'fuse',
  transport: 'virtiofs',
  describe: () => `lowerdir ${version('package.json')}, virtio-fs with cache=none and loose`,
  async start({ tree, folder, profile, resources }) {
    const pids = new Map<CacheMode, number>()
    const qemuArguments: string[] = []
    for (const cache of cacheModes) {
      const { access, caching } = served[cache]
      const socket = join(folder, `${tag(cache)}.sock`)
      const server =
        cache === 'none' && profile !== undefined
          ? await startProfiled(tree, socket, caching, profile)
          : await startLowerdir(tree, access, `virtiofs:${socket},cache=${caching}`, socket)
      pids.set(cache, resources.use(server).pid)
      qemuArguments.push(...virtiofsDevice(tag(cache), socket))
    }
    return {
      qemuArguments,
      prepare: '',
      mount: (cache) => virtiofsMount(cache, tag(cache)),
      pid: (cache) => pids.get(cache),
    }
  },
}

function tag(cache: CacheMode): string {
  return `lowerdir-${cache}`
}
