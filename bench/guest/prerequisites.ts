import type { Busybox } from '../../src/provision/busybox.ts'
import { type Finding, type ProvisionOptions, provision } from '../../src/provision/inventory.ts'
import type { FoundKernel } from '../../src/provision/kernel.ts'
import { ProvisionError } from '../../src/provision/provision-error.ts'
import { findOnPath } from '../../src/provision/lookup.ts'
import type { Qemu } from '../../src/provision/qemu.ts'
import { type Program, provideProgram } from '../programs.ts'
import type { PeerWorld } from './peer.ts'

/** Everything that the guest bench needs and does not make itself. */
export interface Prerequisites {
  readonly busybox: Busybox
  /** In the order in which they were asked for. */
  readonly pairs: readonly QemuAndKernel[]
  readonly programs: PeerWorld['programs']
  readonly fio: Program
}

/** A QEMU and the kernel of its guests, of one Debian suite. */
export interface QemuAndKernel {
  readonly qemu: Qemu
  readonly kernel: FoundKernel
}

/** The QEMUs and kernels that can be measured, and the Debian suites that have them. */
export const kernelSuites = { newest: 'sid', oldest: 'bookworm' } as const

/** The programs of the host that run in the guest, whose root is the host's: the name, and Debian's package. */
const hostPrograms: Readonly<Record<string, string>> = {
  bash: 'bash',
  find: 'findutils',
  git: 'git',
  gcc: 'gcc',
  make: 'make',
}

/**
 * Finds or fetches everything: QEMUs, kernels, and the servers to compare with.
 *
 * @throws ProvisionError with what is missing and how to get it.
 */
export async function provideAll(
  wanted: readonly (keyof typeof kernelSuites)[],
  log: (line: string) => void,
): Promise<Prerequisites> {
  const missing: string[] = []
  for (const [program, name] of Object.entries(hostPrograms)) {
    if ((await findOnPath(program)) === undefined) missing.push(name)
  }
  if (missing.length > 0) {
    const list = missing.join(' ')
    const message = `The guest runs programs of this machine, and some are missing. Install them with: apt-get install ${list}`
    throw new ProvisionError('not-found', message)
  }
  const onProgress: ProvisionOptions['onProgress'] = ({ phase, detail }) => {
    if (phase === 'index' || phase === 'finish') log(`${phase}: ${detail}`)
  }
  const { busybox } = await provision({ suite: 'sid', want: ['busybox'], onProgress })
  const pairs: QemuAndKernel[] = []
  for (const which of wanted) {
    const suite = kernelSuites[which]
    const { qemu, kernel } = await provision({ suite, want: ['qemu', 'kernel'], onProgress })
    pairs.push({ qemu: found(qemu), kernel: found(kernel) })
  }
  const diod = await provideProgram('diod', log)
  const virtiofsd = await provideProgram('virtiofsd', log)
  const fio = await provideProgram('fio', log)
  const programs = { diod, virtiofsd }
  return { busybox: found(busybox), pairs, programs, fio }
}

function found<T>({ found: part, missing }: Finding<T>): T {
  if (part === undefined) throw new ProvisionError('not-found', missing ?? '')
  return part
}
