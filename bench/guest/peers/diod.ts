import { join } from 'node:path'
import { startDiod } from '../../diod.ts'
import { forwardedSocket } from '../forwarded.ts'
import { type Peer, ninepMount } from '../peer.ts'

/** The C server, behind QEMU's user network. */
export const diod: Peer = {
  name: 'diod',
  protocol: '9p',
  oneRound: true,
  describe: (programs) => `diod ${programs.diod.version}, guestfwd to a unix socket`,
  async start({ tree, folder, programs, resources }) {
    const socket = join(folder, 'diod.sock')
    const { pid } = resources.use(await startDiod(programs.diod, tree, socket))
    const { qemuArguments, prepare, options, address } = forwardedSocket(4, socket)
    return {
      qemuArguments,
      prepare,
      mount: (cache) =>
        `${ninepMount(cache, options)},access=0,uname=root,aname=${tree} ${address}`,
      pid: () => pid,
    }
  },
}
