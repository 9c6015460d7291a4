import { type Peer, ninepMount } from '../peer.ts'

const TAG = 'qemu'

/** QEMU's own server. */
export const qemu: Peer = {
  name: 'QEMU 9p',
  protocol: '9p',
  describe: () => `QEMU's virtio-9p, -fsdev local,security_model=none`,
  start: async ({ tree }) => ({
    qemuArguments: [
      '-fsdev',
      `local,id=fsdev-${TAG},path=${tree},security_model=none`,
      '-device',
      `virtio-9p-pci,fsdev=fsdev-${TAG},mount_tag=${TAG}`,
    ],
    prepare: '',
    mount: (cache) => `${ninepMount(cache, 'trans=virtio')} ${TAG}`,
    pid: () => undefined,
  }),
}
