import { createReadStream, createWriteStream } from 'node:fs'
import { chmod, mkdir, stat } from 'node:fs/promises'
import { join, posix, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { BUSYBOX } from '../guest/agent.ts'
import { quote } from '../util/shell.ts'
import type { QemuMachine } from '../machine/qemu-machine.ts'
import { FileError } from './file-error.ts'
import { pack, unpack } from './host-tar.ts'
import type { Machine } from './machine.ts'
import { type Transfer, type TransferOptions, transfer } from './transfer.ts'

/** How a file is to be written. */
export interface WriteFileOptions extends TransferOptions {
  /** Permission bits. Default: 0o644, or those that the file has. */
  readonly mode?: number
  /** `user`, `user:group` or numbers, as chown(1) takes them. Default: root, or whose the file is. */
  readonly owner?: string
}

/** Reads a file of the guest's, whatever its size says. */
export async function readFile(
  machine: Machine,
  qemu: QemuMachine,
  path: string,
  options: TransferOptions,
): Promise<Buffer> {
  const script = `exec ${BUSYBOX} cat ${guestPath(path)}`
  const bytes = await moved(machine, qemu, path, 'cannot be read', {
    ...options,
    script,
    take: buffer,
  })
  machine.recorder.event({ kind: 'note', text: `read ${path} (${bytes.length} bytes)` })
  return bytes
}

/** Writes a file of the guest's, and makes the directories that it is in. */
export async function writeFile(
  machine: Machine,
  qemu: QemuMachine,
  path: string,
  data: string | Uint8Array | Readable,
  options: WriteFileOptions,
): Promise<void> {
  const input = data instanceof Readable ? data : Readable.from([Buffer.from(data)])
  await write(machine, qemu, path, input, options)
  const size = data instanceof Readable ? '' : ` (${Buffer.byteLength(data)} bytes)`
  machine.recorder.event({ kind: 'note', text: `wrote ${path}${size}` })
}

/** Copies a file or a directory of the host's to a path of the guest's. */
export async function copyFromHost(
  machine: Machine,
  qemu: QemuMachine,
  source: string,
  target: string,
  options: TransferOptions,
): Promise<void> {
  const from = resolve(source)
  const { mode, isDirectory } = await hostFile(machine, from)
  if (isDirectory) {
    const to = guestPath(target)
    const { archive, done } = pack(from)
    const script = `${BUSYBOX} mkdir -p ${to} && exec ${BUSYBOX} tar -x -f - -C ${to}`
    const packed = done.catch((cause: unknown) => {
      throw hostError(machine, from, 'cannot be read', cause)
    })
    packed.catch(() => {})
    const how = { ...options, script, input: archive }
    await moved(machine, qemu, target, 'cannot be written', how).catch(async (error: unknown) => {
      // An archive that has no end is the host's fault.
      if (error instanceof FileError && error.code === undefined) await packed
      throw error
    })
    await packed
  } else {
    await write(machine, qemu, target, createReadStream(from), { ...options, mode }, from)
  }
  machine.recorder.event({ kind: 'file-copied', direction: 'to-guest', source: from, target })
}

/** Copies a file or a directory of the guest's into a directory of the host's; resolves with its path there. */
export async function copyToHost(
  machine: Machine,
  qemu: QemuMachine,
  source: string,
  targetDirectory: string,
  options: TransferOptions,
): Promise<string> {
  const from = guestPath(source)
  const target = join(resolve(targetDirectory), posix.basename(source))
  // Its type and mode; a symlink is what it leads to.
  const about = await moved(machine, qemu, source, 'cannot be read', {
    ...options,
    script: `exec ${BUSYBOX} stat -L -c '%F/%a' ${from}`,
    take: buffer,
  })
  const [type, mode = '644'] = about.toString().trim().split('/')
  const onHost = (cause: unknown): never => {
    throw hostError(machine, target, 'cannot be written', cause)
  }
  const isDirectory = type === 'directory'
  await mkdir(isDirectory ? target : resolve(targetDirectory), { recursive: true }).catch(onHost)
  const script = isDirectory
    ? `exec ${BUSYBOX} tar -c -f - -C ${from} .`
    : `exec ${BUSYBOX} cat ${from}`
  const take = (output: Readable): Promise<void> =>
    (isDirectory ? unpack(output, target) : pipeline(output, createWriteStream(target))).catch(
      onHost,
    )
  await moved(machine, qemu, source, 'cannot be read', { ...options, script, take })
  // No set-user-ID comes out of a guest.
  if (!isDirectory) await chmod(target, Number.parseInt(mode, 8) & 0o777).catch(onHost)
  machine.recorder.event({ kind: 'file-copied', direction: 'to-host', source, target })
  return target
}

/** @param source the host's file that the input comes from, if any. */
async function write(
  machine: Machine,
  qemu: QemuMachine,
  path: string,
  input: Readable,
  { mode, owner, ...options }: WriteFileOptions,
  source?: string,
): Promise<void> {
  const file = guestPath(path)
  const steps = [
    `${BUSYBOX} mkdir -p ${quote(posix.dirname(path))}`,
    // Nobody sees what is only for some before it is theirs alone.
    ...(mode === undefined ? [] : ['umask 077']),
    // Not by the shell, each of which has words of its own for what goes wrong.
    `${BUSYBOX} dd of=${file} bs=1M status=none`,
    ...(owner === undefined ? [] : [`${BUSYBOX} chown ${quote(owner)} ${file}`]),
    ...(mode === undefined ? [] : [`${BUSYBOX} chmod ${mode.toString(8)} ${file}`]),
  ]
  try {
    const script = steps.join(' && ')
    await moved(machine, qemu, path, 'cannot be written', { ...options, script, input })
  } catch (error) {
    if (source === undefined || error !== input.errored) throw error
    throw hostError(machine, source, 'cannot be read', error)
  }
}

/** A transfer that is to succeed, with what it has given. */
async function moved<T>(
  machine: Machine,
  qemu: QemuMachine,
  path: string,
  what: string,
  how: Transfer<T>,
): Promise<T> {
  const { exitStatus, complaint, taken } = await transfer(machine, qemu, how)
  if (exitStatus === 0) return taken as T
  throw new FileError({ machine: machine.name, path }, what, complaint)
}

async function hostFile(
  machine: Machine,
  path: string,
): Promise<{ readonly mode: number; readonly isDirectory: boolean }> {
  const stats = await stat(path).catch((cause: unknown) => {
    throw hostError(machine, path, 'cannot be read', cause)
  })
  return { mode: stats.mode & 0o7777, isDirectory: stats.isDirectory() }
}

function hostError(machine: Machine, path: string, what: string, cause: unknown): FileError {
  const complaint = cause instanceof Error ? cause.message : String(cause)
  return new FileError({ machine: machine.name, path }, `of the host ${what}`, complaint, { cause })
}

/** As a word of a shell. */
function guestPath(path: string): string {
  if (!path.startsWith('/')) {
    throw new RangeError(`"${path}" is no absolute path, and a guest's files have no other.`)
  }
  return quote(path)
}
