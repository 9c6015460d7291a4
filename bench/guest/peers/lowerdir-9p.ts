import { join } from 'node:path'
import { vhostUserDevice } from '../../../src/machine/devices/vhost-user.ts'
import { version } from '../../machine.ts'
import { type Peer, ninepMount } from '../peer.ts'
import { startLowerdir } from './lowerdir.ts'

const TAG = 'lowerdir-9p'

/** lowerdir's server as a 9P device, over vhost-user. */
export const lowerdir9p: Peer = {
  name: 'lowerdir, 9P',
  protocol: '9p',
  transport: '9p',
  describe: () => `lowerdir ${version('package.json')}, 9P over vhost-user`,
  async start({ tree, folder, resources }) {
    const socket = join(folder, 'lowerdir-9p.sock')
    const listen = `vhost-user:${socket},tag=${TAG}`
    const { pid } = resources.use(await startLowerdir(tree, 'rw', listen, socket))
    const id = 'lowerdir-9p-socket'
    const device = `${vhostUserDevice(TAG)},chardev=${id}`
    return {
      qemuArguments: ['-chardev', `socket,id=${id},path=${socket}`, '-device', device],
      prepare: '',
      mount: (cache) => `${ninepMount(cache, 'trans=virtio')} ${TAG}`,
      pid: () => pid,
    }
  },
}
