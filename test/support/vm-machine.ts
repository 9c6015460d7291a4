import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Kernel } from '../../src/guest/kernel.ts'
import { quote } from '../../src/util/shell.ts'
import { chooseAccelerator } from '../../src/machine/accelerator.ts'
import { QemuMachine } from '../../src/machine/qemu-machine.ts'
import { findRoot } from '../../src/machine/find.ts'
import type { MachineHooks } from '../../src/machine/hooks.ts'
import { type MachinePlan, planMachine } from '../../src/machine/plan.ts'
import type { Snapshot } from '../../src/machine/snapshot.ts'
import type { Transport } from '../../src/machine/transport.ts'
import { type Finding, type Parts, provision } from '../../src/provision/inventory.ts'
import type { Qemu } from '../../src/provision/qemu.ts'
import { StoodStill, within } from './within.ts'

/** What a guest is made of: Debian's suites that its QEMU and its kernel come from. */
export interface GuestKind {
  readonly qemu: string
  readonly kernel: string
  readonly transport: Transport
}

/**
 * The two kinds that guests are tested as where one would not do: each is as old, or as new, as the parts of Debian
 * that lowerdir is for. Since Linux 6.4 the client keeps O_NOATIME to itself (P9L_MODE_MASK), so an old one
 * is needed to see the flag arrive; and the old QEMU has no vhost-user device of the kind that 9P takes.
 */
export const oldest: GuestKind = { qemu: 'bookworm', kernel: 'bookworm', transport: 'tcp' }
export const newest: GuestKind = { qemu: 'sid', kernel: 'sid', transport: '9p' }

/** Debian's suites whose kernels guests are tested with. */
export const kernelSuites = [oldest.kernel, newest.kernel]

/** The QEMU of a Debian suite, fetched first where it is missing. */
export async function vmQemu(suite: string): Promise<Qemu> {
  const { qemu } = await provision({ suite, want: ['qemu'] })
  return present('qemu', qemu)
}

/** The kernel of a Debian suite, fetched first where it is missing. */
export async function vmKernel(suite: string): Promise<Kernel> {
  const { kernel } = await provision({ suite, want: ['kernel'] })
  return present('kernel', kernel)
}

async function vmBusybox(): Promise<string> {
  const { busybox } = await provision({ want: ['busybox'] })
  return present('busybox', busybox).path
}

function present<T>(name: keyof Parts, finding: Finding<T>): T {
  if (finding.found === undefined) throw new Error(`${name}: ${finding.missing}`)
  return finding.found
}

/** A guest whose root is this machine's, which has its files and a shell and nothing beside. */
export async function bootMachine(
  changes: Partial<MachinePlan & MachineHooks> = {},
  kind = oldest,
): Promise<QemuMachine> {
  const [qemu, kernel] = [await vmQemu(kind.qemu), await vmKernel(kind.kernel)]
  const plan: MachinePlan = {
    ...planMachine(
      {
        name: 'lowerdir',
        init: 'none',
        userNetwork: false,
        screen: false,
        terminal: false,
        rootOwner: 'host',
        sandbox: 'require',
        memory: 512,
      },
      {
        arch: process.arch === 'arm64' ? 'arm64' : 'x64',
        cwd: process.cwd(),
        accelerator: chooseAccelerator('auto'),
        qemu,
        kernel,
        busybox: await vmBusybox(),
        transport: { transport: kind.transport, reason: 'the test says so' },
        root: findRoot('/', kernel),
        uid: process.getuid?.() ?? 0,
        besideRoot: [],
      },
    ),
    shares: [],
    ...changes,
  }
  const { accelerator, transport } = plan
  // Past the test runner, which would put a heading above each line.
  process.stdout.write(
    `guest: Linux ${kernel.release}, QEMU ${qemu.version.text} (${accelerator}), files over ${transport}\n`,
  )
  return QemuMachine.boot(plan, { ...hooks(240_000), ...changes })
}

/** A machine that goes on from a snapshot. */
export function restoreMachine(snapshot: Snapshot): Promise<QemuMachine> {
  return QemuMachine.restore(snapshot, hooks(120_000))
}

/** Nothing is heard of a machine. @param bootTimeout in milliseconds. */
function hooks(bootTimeout: number): MachineHooks {
  return {
    keep: false,
    bootTimeout,
    signal: new AbortController().signal,
    onPhase: () => {},
    onConsoleLine: () => {},
    log: () => {},
  }
}

/**
 * A file that is this QEMU to `run --qemu`: what was fetched is started through a loader of its own.
 *
 * @param folder where the file is made.
 * @param seen translates a path to how the process that runs it sees that path.
 */
export function qemuFile(
  folder: string,
  { command, args }: Qemu,
  seen = (path: string): string => path,
): string {
  const file = join(folder, 'qemu')
  const words = [command, ...args].map((word) => quote(seen(word)))
  writeFileSync(file, `#!/bin/sh\nexec ${words.join(' ')} "$@"\n`, { mode: 0o755 })
  return file
}

/** Seconds that a script in a guest may take. A busy machine needs a few of them. */
const SCRIPT_SECONDS = 120

/** For each machine on which a script has stood still, the error that says which. */
const stuck = new WeakMap<QemuMachine, StoodStill>()

/**
 * Runs a script in a guest's shell and resolves with its exit status and all that it has written.
 *
 * @param seconds how long the script may take.
 * @throws an error that names the script when its time is over. After that every further script on
 * this machine fails at once, so that the tests of a file wait for one time limit and not for one each.
 */
export async function sh(
  machine: QemuMachine,
  script: string,
  seconds = SCRIPT_SECONDS,
): Promise<{ readonly status: number; readonly stdout: string; readonly stderr: string }> {
  const earlier = stuck.get(machine)
  if (earlier)
    throw new Error(`not run, since an earlier script stood still: ${script}`, { cause: earlier })
  const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  const command = machine.run({
    argv: ['/bin/sh', '-c', script],
    env: { PATH, HOME: '/root', LC_ALL: 'C' },
    cwd: '/',
    stdin: null,
  })
  const end = Promise.all([text(command.stdout), text(command.stderr), command.exitStatus])
  try {
    const [stdout, stderr, status] = await within(seconds, `the guest runs ${script}`, end, () =>
      machine.console.tail(30),
    )
    return { status, stdout, stderr }
  } catch (error) {
    if (error instanceof StoodStill) stuck.set(machine, error)
    throw error
  }
}
