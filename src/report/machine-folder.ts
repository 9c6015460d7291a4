import { readFile, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { readRecord } from '../record/read.ts'
import { type MachineHistory, historyOf } from './history.ts'

/** The size up to which a file is put into the report, in bytes; of larger files the report gives the path. */
const INLINE = { image: 16 * 1024 * 1024, capture: 2 * 1024 * 1024, journal: 4 * 1024 * 1024 }

/** What a machine's folder of artifacts contains. */
export interface MachineFolder {
  readonly path: string
  readonly history: MachineHistory
  /** How many lines of its record could not be read. */
  readonly brokenLines: number
  readonly images: readonly FoundFile[]
  readonly captures: readonly FoundFile[]
  /** systemd's journal. */
  readonly journal: string | undefined
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

/** Reads every machine's folder in `root` and its subfolders, in the order in which they were made. */
export async function readMachines(root: string): Promise<MachineFolder[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const folders = new Set(entries.filter((entry) => entry.isFile()).map(folderOf))
  const machines = await Promise.all([...folders].map(readMachine))
  return machines
    .filter((machine) => machine !== undefined)
    .toSorted((a, b) => a.history.start - b.history.start || (a.path < b.path ? -1 : 1))
}

function folderOf(entry: { readonly parentPath: string }): string {
  return entry.parentPath
}

/** Undefined where the folder has no record. */
async function readMachine(path: string): Promise<MachineFolder | undefined> {
  const record = await readRecord(path)
  const history = record && historyOf(record.events)
  if (history === undefined) return undefined
  const names = (await readdir(path)).toSorted()
  const find = (ending: string, limit: number): Promise<FoundFile[]> =>
    Promise.all(
      names
        .filter((name) => name.endsWith(ending))
        .map((name) => readFound(join(path, name), limit)),
    )
  const [journal] = await find('journal.txt', INLINE.journal)
  return {
    path,
    history,
    brokenLines: record?.brokenLines ?? 0,
    images: await find('.png', INLINE.image),
    captures: await find('.pcap', INLINE.capture),
    journal: journal?.content?.toString(),
  }
}

async function readFound(path: string, limit: number): Promise<FoundFile> {
  const { size } = await stat(path)
  return {
    name: path.slice(dirname(path).length + 1),
    path,
    size,
    content: size <= limit ? await readFile(path) : undefined,
  }
}
