import { type FileHandle, access, open, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { isSystemError } from '../util/error.ts'
import { quote } from '../util/shell.ts'
import type { QemuVersion } from '../provision/qemu.ts'
import { createPrivate } from './private-file.ts'
import type { Qmp } from './qmp.ts'

/** QEMU's arguments that make it wait for {@link loadMemory}. */
export const INCOMING = ['-incoming', 'defer'] as const

/** How long the file may take to be complete after QEMU has finished, in milliseconds. */
const FILE_TIMEOUT = 30_000

/** QEMU's default limit spares a network. In bytes a second. */
const BANDWIDTH = 2 ** 40

/**
 * Writes the memory and the devices of a stopped machine to a file that only this user can read. The machine can go on
 * afterwards.
 *
 * @throws Error with QEMU's message.
 */
export async function saveMemory(qmp: Qmp, version: QemuVersion, file: string): Promise<void> {
  await qmp.execute('migrate-set-parameters', { 'max-bandwidth': BANDWIDTH })
  if (knowsFiles(version)) {
    await createPrivate(file)
    await migrate(qmp, 'migrate', `file:${file}`)
    return
  }
  // `cat` may still write when QEMU says that it is done. The rename says when the file is complete.
  const part = `${file}.part`
  await createPrivate(part)
  await rm(file, { force: true })
  const command = `cat >${quote(part)} && mv ${quote(part)} ${quote(file)}`
  await migrate(qmp, 'migrate', `exec:${command}`)
  await whenThere(file)
}

/**
 * Opens the file for a QEMU that cannot open it by itself: the file becomes QEMU's descriptor 3.
 *
 * A pipe would make QEMU wait for data. While it waits, it serves its user network, whose connections are loaded only in
 * part by then, and it closes them.
 */
export async function openMemory(
  version: QemuVersion,
  file: string,
): Promise<FileHandle | undefined> {
  return knowsFiles(version) ? undefined : open(file)
}

/** Loads the file into a QEMU with the same devices, which is stopped then. @throws Error with QEMU's message. */
export async function loadMemory(qmp: Qmp, version: QemuVersion, file: string): Promise<void> {
  await migrate(qmp, 'migrate-incoming', knowsFiles(version) ? `file:${file}` : 'fd:3')
}

/** Since 8.2 QEMU writes and reads files by itself. */
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

/** Waits until QEMU accepts `cont`: it still has work to do after the event. */
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
      if (!isSystemError(error, 'ENOENT') || performance.now() > end) throw error
    }
    await sleep(2)
  }
}
