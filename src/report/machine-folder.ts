import { readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { readRecord } from '../record/read.ts'
import { ArtifactError, openArtifact } from '../record/read-lines.ts'
import { EVENT_FILES, JOURNAL_FILES } from '../record/record-files.ts'
import { isSystemError } from '../util/error.ts'
import { type MachineHistory, historyOf } from './history.ts'

/** The size up to which a file is put into the report, in bytes; of larger files the report gives the path. */
const INLINE = { image: 16 << 20, capture: 2 << 20, journal: 5 << 20 }

/** The size up to which the files of one machine are put into the report, all together, in bytes. */
const INLINE_TOGETHER = 48 << 20

/** What a machine's folder of artifacts contains. */
export interface MachineFolder {
  readonly path: string
  /** If the record cannot be read, it has the folder's name and time, and nothing else. */
  readonly history: MachineHistory
  /** How many lines of its record could not be read. */
  readonly brokenLines: number
  /** Why the record, or another file, cannot be read: a sentence for each of them. */
  readonly problems: readonly string[]
  readonly images: readonly FoundFile[]
  readonly captures: readonly FoundFile[]
  /** systemd's journal, in the order of its parts. What lies between the first and the others may be left out. */
  readonly journal: readonly FoundFile[]
}

/** A file among the artifacts. */
export interface FoundFile {
  readonly name: string
  readonly path: string
  /** In bytes. */
  readonly size: number
  /** Undefined for a file that is too large for the report. */
  readonly content: Buffer | undefined
}

/**
 * Reads every machine's folder in `root` and its subfolders, in the order in which they were made. A folder or a file that
 * cannot be read is a problem of that machine, and never an error: the report has all others.
 */
export async function readMachines(root: string): Promise<MachineFolder[]> {
  const machines: MachineFolder[] = []
  // One after the other: a record takes more memory while it is read than afterwards.
  for await (const path of foldersBelow(root)) {
    const machine = await readMachine(path)
    if (machine !== undefined) machines.push(machine)
  }
  return machines.toSorted(
    (a, b) => a.history.start - b.history.start || (a.path < b.path ? -1 : 1),
  )
}

/**
 * A folder and all folders in it. No symlink is followed, and nothing in a machine's folder is another machine: a test may
 * have copied a guest's files there.
 */
async function* foldersBelow(folder: string): AsyncGenerator<string> {
  yield folder
  const entries = await readdir(folder, { withFileTypes: true }).catch(whatCannotBeRead)
  if (!Array.isArray(entries)) return
  if (entries.some(({ name }) => name === EVENT_FILES.events.first)) return
  for (const entry of entries) {
    if (entry.isDirectory()) yield* foldersBelow(join(folder, entry.name))
  }
}

/** Undefined where the folder has no record. */
async function readMachine(path: string): Promise<MachineFolder | undefined> {
  const problems: string[] = []
  const note = (name: string, why: string): void => {
    problems.push(`${name} cannot be read: ${why}.`)
  }
  const names = await readdir(path).catch(whatCannotBeRead)
  if (typeof names === 'string') {
    note('The folder', names)
    return { ...EMPTY, path, problems, history: await unknownHistory(path) }
  }
  const record = await readRecord(path).catch(whatCannotBeRead)
  if (typeof record === 'string') note('The record', record)
  const read = typeof record === 'string' ? undefined : record
  const history = historyOf(read?.events ?? [])
  const brokenLines = read?.brokenLines ?? 0
  if (history === undefined && brokenLines > 0) note('The record', 'none of its lines is an event')
  // A record without a line is that of a machine that was killed in its first moment, or of no machine.
  if (history === undefined && problems.length === 0) return undefined

  const files = new FoundFiles(path, names.toSorted(), note)
  const { first, older, newest } = JOURNAL_FILES
  const journal: FoundFile[] = []
  for (const name of [first, older, newest]) {
    journal.push(...(await files.find(name, INLINE.journal)))
  }
  return {
    path,
    history: history ?? (await unknownHistory(path)),
    brokenLines,
    problems,
    images: await files.find('.png', INLINE.image),
    captures: await files.find('.pcap', INLINE.capture),
    journal,
  }
}

const EMPTY = { brokenLines: 0, images: [], captures: [], journal: [] } as const

/** Reads the files of one machine, as many as the report may have. */
class FoundFiles {
  readonly #folder: string
  readonly #names: readonly string[]
  readonly #note: (name: string, why: string) => void
  #room = INLINE_TOGETHER

  constructor(folder: string, names: readonly string[], note: (name: string, why: string) => void) {
    this.#folder = folder
    this.#names = names
    this.#note = note
  }

  /** The files whose names end so. @param limit the size up to which a file is read, in bytes. */
  async find(ending: string, limit: number): Promise<FoundFile[]> {
    const found: FoundFile[] = []
    for (const name of this.#names) {
      if (!name.endsWith(ending)) continue
      const file = await this.#read(name, limit).catch(whatCannotBeRead)
      if (typeof file === 'string') this.#note(name, file)
      else found.push(file)
    }
    return found
  }

  async #read(name: string, limit: number): Promise<FoundFile> {
    const path = join(this.#folder, name)
    await using file = await openArtifact(path)
    const { size } = await file.stat()
    const isSmall = size <= limit && size <= this.#room
    if (!isSmall) return { name, path, size, content: undefined }
    const content = Buffer.alloc(size)
    const { bytesRead } = await file.read(content, 0, size, 0)
    this.#room -= bytesRead
    return { name, path, size, content: content.subarray(0, bytesRead) }
  }
}

/** The history of a machine whose record cannot be read: its folder's name and time. */
async function unknownHistory(path: string): Promise<MachineHistory> {
  const found = await stat(path).catch(whatCannotBeRead)
  const time = typeof found === 'string' ? 0 : found.birthtimeMs
  return {
    made: { kind: 'machine', name: basename(path), accelerator: 'tcg' },
    start: time,
    end: time,
    entries: [],
    console: [],
    qemu: [],
  }
}

/** For `catch()`: why a file of artifacts cannot be read. */
function whatCannotBeRead(error: unknown): string {
  if (error instanceof ArtifactError || isSystemError(error)) return error.message
  throw error
}
