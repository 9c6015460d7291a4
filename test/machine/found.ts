import type { Found } from '../../src/machine/plan.ts'

/** A host that has all that a plan takes, for plans that are not started. */
export const found: Found = {
  arch: 'x64',
  cwd: '/home/me',
  accelerator: { accelerator: 'tcg', reason: 'there is no /dev/kvm' },
  qemu: {
    command: '/usr/bin/qemu',
    args: [],
    version: { major: 11, minor: 1, text: '11.1' },
    source: 'PATH',
  },
  kernel: { image: '/boot/vmlinuz', release: '6.1', modules: '/kernels/lib/modules/6.1' },
  busybox: '/usr/bin/busybox',
  transport: { transport: '9p', reason: 'QEMU has the device' },
  root: { path: '/', uid: 0, hasSystemd: true, hasInit: true, hasModules: true },
  uid: 1000,
  besideRoot: ['/beside'],
}
