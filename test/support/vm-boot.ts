import { provision } from '../../src/provision/inventory.ts'
import { boot } from '../../src/driver/boot.ts'
import type { Machine } from '../../src/driver/machine.ts'
import type { BootOptions } from '../../src/driver/options.ts'
import { oldest } from './vm-machine.ts'

/** A machine of the test driver's whose root is this one's, without systemd. What it takes is fetched where it is missing. */
export async function bootTested(options: BootOptions = {}): Promise<Machine> {
  await provision({ suite: oldest.kernel, want: ['qemu', 'kernel', 'busybox'] })
  return boot({ root: '/', init: 'none', memory: 512, screen: false, ...options })
}
