import { type Finding, type Parts, provision } from '../../src/provision/inventory.ts'
import { ProvisionError } from '../../src/provision/failure.ts'
import { findOnPath } from '../../src/provision/path.ts'
import { type Program, provideProgram } from '../programs.ts'
import type { PeerWorld } from './peer.ts'

/** Everything that the guest benchmark takes besides what it makes itself. */
export interface Prerequisites {
  readonly parts: Parts
  readonly programs: PeerWorld['programs']
  readonly fio: Program
}

/** What a guest runs that has the host's root for its own: the name, and Debian's package. */
const hostPrograms: Readonly<Record<string, string>> = {
  bash: 'bash',
  find: 'findutils',
  git: 'git',
  gcc: 'gcc',
  make: 'make',
}

/**
 * Finds or fetches everything: the newest QEMU and kernel of Debian, and the servers to compare with.
 *
 * @throws ProvisionError with what is missing and how to get it.
 */
export async function provideAll(log: (line: string) => void): Promise<Prerequisites> {
  const missing: string[] = []
  for (const [program, name] of Object.entries(hostPrograms)) {
    if ((await findOnPath(program)) === undefined) missing.push(name)
  }
  if (missing.length > 0) {
    const list = missing.join(' ')
    const message = `The guest works with programs of this machine, and some are missing. Install them: apt-get install ${list}`
    throw new ProvisionError('not-found', message)
  }
  const { qemu, kernel, busybox } = await provision({
    suite: 'sid',
    onProgress: ({ phase, detail }) => {
      if (phase === 'index' || phase === 'finish') log(`${phase}: ${detail}`)
    },
  })
  const diod = await provideProgram('diod', log)
  const virtiofsd = await provideProgram('virtiofsd', log)
  const fio = await provideProgram('fio', log)
  const parts = { qemu: found(qemu), kernel: found(kernel), busybox: found(busybox) }
  return { parts, programs: { diod, virtiofsd }, fio }
}

function found<T>({ found: part, missing }: Finding<T>): T {
  if (part === undefined) throw new ProvisionError('not-found', missing ?? '')
  return part
}
