import { join } from 'node:path'
import { vhostUserDevice } from '../../../src/machine/devices/vhost-user.ts'
import { version } from '../../machine.ts'
import { type Peer, ninepOptions } from '../peer.ts'
import { startLowerdir, startProfiled } from './lowerdir.ts'

const TAG = 'lowerdir'

/** lowerdir's server as a virtio device, over vhost-user. */
export const lowerdirVhostUser: Peer = {
  name: 'lowerdir',
  protocol: '9p',
  describe: () => `lowerdir ${version('package.json')}, vhost-user`,
  async start({ tree, folder, profile, resources }) {
    const socket = join(folder, 'lowerdir-vhost-user.sock')
    const { pid } = resources.use(
      profile === undefined
        ? await startLowerdir(tree, `vhost-user:${socket},tag=${TAG}`, socket)
        : await startProfiled(tree, socket, TAG, profile),
    )
    const id = 'lowerdir-socket'
    const device = `${vhostUserDevice(TAG)},chardev=${id}`
    return {
      qemuArguments: ['-chardev', `socket,id=${id},path=${socket}`, '-device', device],
      prepare: '',
      mount: (cache) => `mount -t 9p -o trans=virtio,${ninepOptions(cache)} ${TAG}`,
      pid: () => pid,
    }
  },
}
