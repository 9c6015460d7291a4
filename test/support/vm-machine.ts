import { text } from 'node:stream/consumers'
import type { Kernel } from '../../src/guest/kernel.ts'
import { chooseAccelerator } from '../../src/machine/accelerator.ts'
import { Machine } from '../../src/machine/machine.ts'
import type { MachineOptions } from '../../src/machine/options.ts'
import { type Finding, type Parts, provision } from '../../src/provision/inventory.ts'
import type { Qemu } from '../../src/provision/qemu.ts'

/** Everything that a guest takes: what `run` finds, fetched first where it is missing. */
async function vmParts(): Promise<Parts> {
  const { qemu, busybox, kernel } = await provision()
  return {
    qemu: present('qemu', qemu),
    busybox: present('busybox', busybox),
    kernel: present('kernel', kernel),
  }
}

/** The QEMU of a Debian suite: bookworm's has no vhost-user device of the kind that 9P takes, sid's has. */
export async function vmQemu(suite: string): Promise<Qemu> {
  const { qemu } = await provision({ suite, want: ['qemu'] })
  return present('qemu', qemu)
}

/** The kernel of a Debian suite. */
export async function vmKernel(suite: string): Promise<Kernel> {
  const { kernel } = await provision({ suite, want: ['kernel'] })
  return present('kernel', kernel)
}

/**
 * The Debian suites whose kernels guests are tested with: 6.1, and the newest. Since 6.4 the client keeps
 * O_NOATIME to itself (P9L_MODE_MASK), so an old one is needed to see the flag arrive.
 */
export const kernelSuites = ['bookworm', 'sid']

function present<T>(name: keyof Parts, finding: Finding<T>): T {
  if (finding.found === undefined) throw new Error(`${name}: ${finding.missing}`)
  return finding.found
}

/** A guest whose root is this machine's. */
export async function bootMachine(changes: Partial<MachineOptions> = {}): Promise<Machine> {
  const { qemu, busybox, kernel } = await vmParts()
  return Machine.boot({
    qemu,
    kernel,
    busybox: busybox.path,
    accelerator: chooseAccelerator('auto').accelerator,
    transport: 'tcp',
    root: '/',
    rootOwner: 'host',
    atime: 'preserve',
    sandbox: 'require',
    shares: [],
    memoryMiB: 512,
    cpus: 1,
    append: '',
    qemuArguments: [],
    hostname: 'lowerdir',
    terminal: false,
    keep: false,
    bootTimeout: 240_000,
    signal: new AbortController().signal,
    onPhase: () => {},
    onConsoleLine: () => {},
    log: () => {},
    ...changes,
  })
}

/** What a guest's shell does with a script, with all that it writes. */
export async function sh(
  machine: Machine,
  script: string,
): Promise<{ readonly status: number; readonly stdout: string; readonly stderr: string }> {
  const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  const command = machine.run({
    argv: ['/bin/sh', '-c', script],
    env: { PATH, LC_ALL: 'C' },
    cwd: '/',
    stdin: null,
  })
  const [stdout, stderr, status] = await Promise.all([
    text(command.stdout),
    text(command.stderr),
    command.exitStatus,
  ])
  return { status, stdout, stderr }
}
