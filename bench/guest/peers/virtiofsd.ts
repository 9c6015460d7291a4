import { join } from 'node:path'
import { startVirtiofsd } from '../../virtiofsd.ts'
import { type CacheMode, type Peer, cacheModes } from '../peer.ts'

/** virtiofsd's names of the cache modes: here the server has the option, not the mount. */
const modes: Readonly<Record<CacheMode, 'never' | 'always'>> = { none: 'never', loose: 'always' }

/** The Rust server, over vhost-user: one process and one device for each cache mode. */
export const virtiofsd: Peer = {
  name: 'virtiofsd',
  protocol: 'fuse',
  describe: (programs) => `virtiofsd ${programs.virtiofsd.version}, --cache never and always`,
  async start({ tree, folder, programs, resources }) {
    const pids = new Map<CacheMode, number>()
    const qemuArguments: string[] = []
    for (const cache of cacheModes) {
      const socket = join(folder, `${tag(cache)}.sock`)
      const server = await startVirtiofsd(programs.virtiofsd, tree, socket, modes[cache])
      pids.set(cache, resources.use(server).pid)
      const id = `chardev-${tag(cache)}`
      qemuArguments.push('-chardev', `socket,id=${id},path=${socket}`)
      qemuArguments.push('-device', `vhost-user-fs-pci,chardev=${id},tag=${tag(cache)}`)
    }
    return {
      qemuArguments,
      prepare: '',
      mount: (cache) => `mount -t virtiofs ${tag(cache)}`,
      pid: (cache) => pids.get(cache),
    }
  },
}

function tag(cache: CacheMode): string {
  return `virtiofsd-${modes[cache]}`
}
