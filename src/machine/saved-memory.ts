import { type FileHandle, access, open } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { quote } from '../util/shell.ts'
import type { QemuVersion } from '../provision/qemu.ts'
import type { Qmp } from './qmp.ts'

/** What makes QEMU wait for {@link loadMemory}. */
export const INCOMING = ['-incoming', 'defer'] as const

/** How long the last bytes may take to the file, in milliseconds. */
const FILE_TIMEOUT = 30_000

/** No limit: QEMU would spare a network. In bytes a second. */
const BANDWIDTH = 2 ** 40

/**
 * Writes a machine that is stopped, its memory and its devices, to a file. It can go on afterwards.
 *
 * @throws Error with QEMU's words.
 */
export async function saveMemory(qmp: Qmp, version: QemuVersion, file: string): Promise<void> {
  await qmp.execute('migrate-set-parameters', { 'max-bandwidth': BANDWIDTH })
  if (knowsFiles(version)) {
    await migrate(qmp, 'migrate', `file:${file}`)
    return
  }
  // Who reads the pipe may not have come to its end by then.
  const part = `${file}.part`
  const command = `cat >${quote(part)} && mv ${quote(part)} ${quote(file)}`
  await migrate(qmp, 'migrate', `exec:${command}`)
  await whenThere(file)
}

/**
 * The file for a QEMU that does not open it by itself: its descriptor 3.
 *
 * Not through a pipe, for which QEMU would have to wait. Meanwhile it would serve its user network, in which there
 * is half of a connection by then, and that is the end of it.
 */
export async function openMemory(
  version: QemuVersion,
  file: string,
): Promise<FileHandle | undefined> {
  return knowsFiles(version) ? undefined : open(file)
}

/** Loads it into a machine of the same make, which is stopped then. @throws Error with QEMU's words. */
export async function loadMemory(qmp: Qmp, version: QemuVersion, file: string): Promise<void> {
  await migrate(qmp, 'migrate-incoming', knowsFiles(version) ? `file:${file}` : 'fd:3')
}

/** QEMU writes to files by itself since 8.2. */
function knowsFiles({ major, minor }: QemuVersion): boolean {
  return major > 8 || (major === 8 && minor >= 2)
}

async function migrate(qmp: Qmp, command: string, uri: string): Promise<void> {
  await qmp.execute('migrate-set-capabilities', {
    capabilities: [{ capability: 'events', state: true }],
  })
  const done = new AbortController()
  try {
    const over = qmp.next(
      ({ event, data }) =>
        event === 'MIGRATION' && ['completed', 'failed'].includes(String(data?.['status'])),
      done.signal,
    )
    await qmp.execute(command, { uri })
    if ((await over).data?.['status'] === 'completed') {
      await whenSettled(qmp)
      return
    }
    const said = (await qmp.execute('query-migrate')) as { readonly 'error-desc'?: string }
    throw new Error(`QEMU could not do it: ${said['error-desc'] ?? 'it does not say why'}.`)
  } finally {
    done.abort()
  }
}

/** Waits until the machine may be let run: QEMU has something to do behind the event. */
async function whenSettled(qmp: Qmp): Promise<void> {
  for (;;) {
    const { status } = (await qmp.execute('query-status')) as { readonly status: string }
    if (status !== 'finish-migrate' && status !== 'inmigrate') return
    await sleep(1)
  }
}

async function whenThere(file: string): Promise<void> {
  const end = performance.now() + FILE_TIMEOUT
  for (;;) {
    try {
      await access(file)
      return
    } catch (error) {
      if (performance.now() > end) throw error
    }
    await sleep(2)
  }
}
