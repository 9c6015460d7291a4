import { type Stats, createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join, posix, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { BUSYBOX } from '../guest/agent.ts'
import { quote } from '../util/shell.ts'
import { ArchiveError, CutOffError } from './archive-reader.ts'
import { HostCopy, type LeftOut } from './host-copy.ts'
import { canBeLeftOut, pack } from './host-tar.ts'
import { SparseSource, findSparse, hostPath } from './sparse-source.ts'
import { RECEIVE_SPARSE, SPARSE_END, sparseRecords } from './sparse-transfer.ts'
import type { Guest } from './guest.ts'
import { type Transfer, type TransferOptions, TooMuchError, atMost, transfer } from './transfer.ts'
import { isSystemError, messageOf } from '../util/error.ts'
import { printable } from '../util/printable.ts'
import { fromText, toText } from '../util/text.ts'

/** The most bytes that {@link readFile} keeps (256 MiB). */
const READ_BYTES = 256 << 20

/** The most bytes that stat(1) prints about one file. */
const STAT_BYTES = 1024

/** The text of error numbers in programs of the guest (strerror(3) in the C locale), and their names. */
const CODES: readonly (readonly [text: string, code: string])[] = [
  ['No such file or directory', 'ENOENT'],
  ['Permission denied', 'EACCES'],
  ['Operation not permitted', 'EPERM'],
  ['Is a directory', 'EISDIR'],
  ['Not a directory', 'ENOTDIR'],
  ['Directory not empty', 'ENOTEMPTY'],
  ['File exists', 'EEXIST'],
  ['Read-only file system', 'EROFS'],
  ['No space left on device', 'ENOSPC'],
  ['Disk quota exceeded', 'EDQUOT'],
  ['File too large', 'EFBIG'],
  ['File name too long', 'ENAMETOOLONG'],
  ['Too many levels of symbolic links', 'ELOOP'],
  ['Text file busy', 'ETXTBSY'],
  ['Device or resource busy', 'EBUSY'],
  ['No such device or address', 'ENXIO'],
  ['Stale file handle', 'ESTALE'],
  ['Input/output error', 'EIO'],
]

/** A file could not be read or written: one of the guest, or one of the host that was to be copied. */
export class FileError extends Error {
  override readonly name = 'FileError'
  /** The machine's name. */
  readonly machine: string
  /** A path of the guest, or of the host where that failed. */
  readonly path: string
  /** The name of the errno, as in Node's own errors; undefined where it is not known. */
  readonly code: string | undefined

  /**
   * @param what a predicate of the file, such as "cannot be read".
   * @param complaint the message of the program or of the system call that failed.
   */
  constructor(
    { machine, path }: Pick<FileError, 'machine' | 'path'>,
    what: string,
    complaint: string,
    options?: ErrorOptions,
  ) {
    const known = CODES.find(([text]) => complaint.includes(text))
    // A complaint about another file, such as a directory that cannot be made, is shown whole.
    const words =
      known === undefined || !complaint.includes(`'${path}'`) ? complaint.trim() : known[0]
    const why = known === undefined ? words : `${words} (${known[1]})`
    super(printable(`${machine}: ${path} ${what}: ${why || 'nothing was said about why'}`), options)
    this.machine = machine
    this.path = path
    const cause = options?.cause as NodeJS.ErrnoException | undefined
    this.code = known?.[1] ?? cause?.code
  }
}

/** How a file is written. */
export interface WriteFileOptions extends TransferOptions {
  /** Permission bits. Default: 0o644, or those that the file has. */
  readonly mode?: number
  /** `user`, `user:group` or numbers, as chown(1) takes them. Default: root, or the owner that the file has. */
  readonly owner?: string
}

/**
 * Reads a file of the guest to its end. Its size is not asked for, so that files of /proc can be read as well.
 *
 * @throws FileError for a file of more than {@link READ_BYTES}: the guest decides how much it sends.
 */
export async function readFile(
  guest: Guest,
  path: string,
  options: TransferOptions,
): Promise<Buffer> {
  const script = `exec ${BUSYBOX} cat ${guestPath(path)}`
  const bytes = await moved(guest, path, 'cannot be read', {
    ...options,
    script,
    take: (output) =>
      atMost(output, READ_BYTES).catch((cause: unknown) => {
        if (!(cause instanceof TooMuchError)) throw cause
        const why = `it has more than ${READ_BYTES} bytes. copyToHost copies a file of any size`
        throw new FileError({ machine: guest.name, path }, 'cannot be read', why, { cause })
      }),
  })
  guest.recorder.event({ kind: 'note', text: `read ${path} (${bytes.length} bytes)` })
  return bytes
}

/** Writes a file of the guest, and makes the directories around it. */
export async function writeFile(
  guest: Guest,
  path: string,
  data: string | Uint8Array | Readable,
  options: WriteFileOptions,
): Promise<void> {
  const input = data instanceof Readable ? data : Readable.from([Buffer.from(data)])
  await write(guest, path, input, options)
  const size = data instanceof Readable ? '' : ` (${Buffer.byteLength(data)} bytes)`
  guest.recorder.event({ kind: 'note', text: `wrote ${path}${size}` })
}

/** Copies a file or a directory of the host to a path of the guest. */
export async function copyFromHost(
  guest: Guest,
  source: string,
  target: string,
  options: TransferOptions,
): Promise<void> {
  const from = resolve(source)
  const stats = await onHostOf(guest, from, 'cannot be read')(() => stat(from))
  if (stats.isDirectory()) await sendDirectory(guest, from, target, options)
  else await sendFile(guest, from, stats, target, options)
  guest.recorder.event({ kind: 'file-copied', direction: 'to-guest', source: from, target })
}

async function sendFile(
  guest: Guest,
  from: string,
  stats: Stats,
  target: string,
  options: TransferOptions,
): Promise<void> {
  guestPath(target)
  const onHost = onHostOf(guest, from, 'cannot be read')
  await using sparse = await onHost(() => SparseSource.openSparse(from, stats))
  if (sparse === undefined) {
    const mode = stats.mode & 0o7777
    await write(guest, target, createReadStream(from), { ...options, mode }, from)
    return
  }
  const records = async function* (): AsyncGenerator<Buffer, void> {
    yield* sparseRecords(sparse, fromText(target), false)
    yield SPARSE_END
  }
  const input = Readable.from(records(), { objectMode: false })
  const script = `${RECEIVE_SPARSE}\nreceive_sparse`
  await send(guest, target, { ...options, script, input }, from)
}

async function sendDirectory(
  guest: Guest,
  from: string,
  target: string,
  options: TransferOptions,
): Promise<void> {
  const to = guestPath(target)
  const sparse = (await findSparse(from)).filter(canBeLeftOut)
  const { archive, done } = pack(from, sparse)
  const packed = onHostOf(guest, from, 'cannot be read')(() => done)
  // It is awaited below, and must not count as unhandled until then.
  packed.catch(() => {})
  const input =
    sparse.length === 0
      ? archive
      : Readable.from(withSparse(from, sparse, archive), { objectMode: false })
  // Once its output is no longer read, tar has to end.
  input.once('close', () => archive.destroy())
  const steps = [
    `${RECEIVE_SPARSE}\n${BUSYBOX} mkdir -p ${to}`,
    `cd ${to}`,
    ...(sparse.length === 0 ? [] : ['receive_sparse']),
    `exec ${BUSYBOX} tar -x -f -`,
  ]
  const how = { ...options, script: steps.join(' && '), input }
  await send(guest, target, how, from).catch(async (error: unknown) => {
    // The guest's tar complains about an archive that is cut off, which the host's tar has the reason for.
    if (error instanceof FileError && error.code === undefined) await packed
    throw error
  })
  await packed
}

/** The sparse files of a directory, and then an archive of the others. */
async function* withSparse(
  directory: string,
  paths: readonly string[],
  archive: Readable,
): AsyncGenerator<Buffer, void> {
  for (const path of paths) {
    await using source = await SparseSource.open(hostPath(directory, path))
    yield* sparseRecords(source, path, true)
  }
  yield SPARSE_END
  yield* archive as AsyncIterable<Buffer>
}

/** Copies a file or a directory of the guest into a directory of the host, and resolves with the path of the copy. */
export async function copyToHost(
  guest: Guest,
  source: string,
  targetDirectory: string,
  options: TransferOptions,
): Promise<string> {
  const from = guestPath(source)
  const name = copyName(source)
  // Type and mode. A symlink is followed.
  const about = await moved(guest, source, 'cannot be read', {
    ...options,
    script: `exec ${BUSYBOX} stat -L -c '%F/%a' ${from}`,
    take: (output) => atMost(output, STAT_BYTES),
  })
  const [type, mode = '644'] = about.toString().trim().split('/')
  const target = join(resolve(targetDirectory), name)
  const onHost = onHostOf(guest, target, 'cannot be written')
  await using copy = await onHost(() => new HostCopy(targetDirectory, name))
  if (type === 'directory') {
    const script = `exec ${BUSYBOX} tar -c -f - -C ${from} .`
    const take = (output: Readable): Promise<LeftOut | CutOffError> =>
      onHost(() => copy.unpack(output).catch(givenBack))
    const result = await moved(guest, source, 'cannot be read', { ...options, script, take })
    // The guest's tar would have said why.
    if (result instanceof CutOffError) await onHost(() => Promise.reject(result))
    else noteLeftOut(guest, source, result)
  } else {
    const script = `exec ${BUSYBOX} cat ${from}`
    const take = (output: Readable): Promise<void> =>
      onHost(() => copy.write(output, Number.parseInt(mode, 8)))
    await moved(guest, source, 'cannot be read', { ...options, script, take })
  }
  await onHost(() => copy.finish())
  guest.recorder.event({ kind: 'file-copied', direction: 'to-host', source, target })
  return target
}

/** The name of a copy: the last part of the path. @throws RangeError where that is no name. */
function copyName(source: string): string {
  const name = posix.basename(source)
  if (!['', '.', '..'].includes(name)) return name
  throw new RangeError(
    `"${source}" has no name that the copy could have. Name the directory itself.`,
  )
}

/** An archive that ends early says less about the reason than the program in the guest that has written it. */
function givenBack(error: unknown): CutOffError {
  if (error instanceof CutOffError) return error
  throw error
}

function noteLeftOut(guest: Guest, source: string, { count, some }: LeftOut): void {
  if (count === 0) return
  const names = some.map((path) => JSON.stringify(toText(path))).join(', ')
  const text = `left out of the copy of ${source}: ${count} devices and FIFOs (${names}${count > some.length ? ', …' : ''})`
  guest.recorder.event({ kind: 'note', text })
}

/** Does something with the file at `path` of the host. What the host refuses, and what a guest may not send, becomes a FileError. */
function onHostOf(
  guest: Guest,
  path: string,
  what: string,
): <T>(action: () => T | Promise<T>) => Promise<T> {
  return async (action) => {
    try {
      return await action()
    } catch (cause) {
      if (!isSystemError(cause) && !(cause instanceof ArchiveError)) throw cause
      throw hostError(guest, path, what, cause)
    }
  }
}

/** @param source the file of the host that the input is read from, if any. */
async function write(
  guest: Guest,
  path: string,
  input: Readable,
  { mode, owner, ...options }: WriteFileOptions,
  source?: string,
): Promise<void> {
  const file = guestPath(path)
  const steps = [
    `${BUSYBOX} mkdir -p ${quote(posix.dirname(path))}`,
    // A file with a mode is closed to other users from the start.
    ...(mode === undefined ? [] : ['umask 077']),
    // dd, since each shell words the errors of a redirection differently.
    `${BUSYBOX} dd of=${file} bs=1M status=none`,
    ...(owner === undefined ? [] : [`${BUSYBOX} chown ${quote(owner)} ${file}`]),
    ...(mode === undefined ? [] : [`${BUSYBOX} chmod ${mode.toString(8)} ${file}`]),
  ]
  await send(guest, path, { ...options, script: steps.join(' && '), input }, source)
}

/** Writes a file of the guest. @param source the file of the host that the input is read from, if any. */
async function send(
  guest: Guest,
  path: string,
  how: Transfer<void> & { readonly input: Readable },
  source: string | undefined,
): Promise<void> {
  try {
    await moved(guest, path, 'cannot be written', how)
  } catch (error) {
    if (source === undefined || error !== how.input.errored) throw error
    throw hostError(guest, source, 'cannot be read', error)
  }
}

/** Runs a transfer that has to succeed, and resolves with what it has read. */
async function moved<T>(guest: Guest, path: string, what: string, how: Transfer<T>): Promise<T> {
  const { exitStatus, complaint, taken } = await transfer(guest, how)
  if (exitStatus === 0) return taken as T
  throw new FileError({ machine: guest.name, path }, what, complaint)
}

function hostError(guest: Guest, path: string, what: string, cause: unknown): FileError {
  const complaint = messageOf(cause)
  return new FileError({ machine: guest.name, path }, `of the host ${what}`, complaint, { cause })
}

/** A path as a word for the guest's shell. @throws RangeError for a relative path. */
function guestPath(path: string): string {
  if (!path.startsWith('/')) {
    throw new RangeError(`"${path}" is not an absolute path. A file of the guest is named by one.`)
  }
  return quote(path)
}
