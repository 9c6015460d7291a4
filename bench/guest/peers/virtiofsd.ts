import { join } from 'node:path'
import { startVirtiofsd } from '../../virtiofsd.ts'
import { type CacheMode, type Peer, virtiofsDevice, virtiofsMount } from '../peer.ts'

/** virtiofsd's names of the cache modes: here the server has the option, not the mount. */
const modes = {
  none: 'never',
  loose: 'always',
  lower: 'always',
} as const satisfies Record<CacheMode, unknown>

/** The Rust server, over vhost-user: one process and one device for each of its cache modes. */
export const virtiofsd: Peer = {
  name: 'virtiofsd',
  protocol: 'fuse',
  transport: 'virtiofs',
  describe: (programs) => `virtiofsd ${programs.virtiofsd.version}, --cache never and always`,
  async start({ tree, folder, programs, resources }) {
    const pids = new Map<string, number>()
    const qemuArguments: string[] = []
    for (const mode of new Set(Object.values(modes))) {
      const socket = join(folder, `${tag(mode)}.sock`)
      const server = await startVirtiofsd(programs.virtiofsd, tree, socket, mode)
      pids.set(mode, resources.use(server).pid)
      qemuArguments.push(...virtiofsDevice(tag(mode), socket))
    }
    return {
      qemuArguments,
      prepare: '',
      mount: (cache) => virtiofsMount(cache, tag(modes[cache])),
      pid: (cache) => pids.get(modes[cache]),
    }
  },
}

function tag(mode: string): string {
  return `virtiofsd-${mode}`
}
