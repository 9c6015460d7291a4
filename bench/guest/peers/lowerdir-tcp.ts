import { join } from 'node:path'
import { version } from '../../machine.ts'
import { forwardedSocket } from '../forwarded.ts'
import { type Peer, ninepMount } from '../peer.ts'
import { startLowerdir } from './lowerdir.ts'

/** lowerdir's server behind QEMU's user network, which every QEMU has. */
export const lowerdirTcp: Peer = {
  name: 'lowerdir, tcp',
  protocol: '9p',
  oneRound: true,
  describe: () => `lowerdir ${version('package.json')}, 9P, guestfwd to a unix socket`,
  async start({ tree, folder, resources }) {
    const socket = join(folder, 'lowerdir.sock')
    const { pid } = resources.use(await startLowerdir(tree, 'rw', `unix:${socket}`, socket))
    const { qemuArguments, prepare, options, address } = forwardedSocket(3, socket)
    return {
      qemuArguments,
      prepare,
      mount: (cache) => `${ninepMount(cache, options)} ${address}`,
      pid: () => pid,
    }
  },
}
