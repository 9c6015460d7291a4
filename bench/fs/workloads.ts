import { openFlags } from '../../src/tree/flags.ts'
import { heapMemory, run } from '../../src/sys/memory.ts'
import type { FsDriver, Prepared } from './driver.ts'
import { FILES, LARGE_BYTES, LISTED, fileName } from './folder.ts'
import { DEPTH_MAX, type MountedFolder } from './mounted-folder.ts'

/** One request of a job. */
export interface Step extends Prepared {
  /** The length of the whole reply in bytes, as its header has it; 0 for a request without a reply. */
  readonly replyBytes: number
  /** Is called when the reply is there. */
  readonly onReply?: (() => void) | undefined
}

/** Requests that are made one after the other: what is counted as one. */
export type Job = readonly Step[]

/** One kind of request, or of several that belong together. */
export interface FsWorkload {
  readonly name: string
  /** How many times virtiofsd's rate is the goal; undefined where there is none. */
  readonly goal?: number
  /** Jobs that may all be under way at once. A driver makes them in turns. */
  prepare(driver: FsDriver, folder: MountedFolder): Job[]
}

const HEADER = 16
const ATTRIBUTES = 104
const ENTRY = 128
const OPENED = 16
const WRITTEN = 8
const DIRENTPLUS = 152
const PAGE = 4096
const MIB = 1 << 20

/** Room for a whole directory, as Linux 7.2 asks for it with getdents64(2) of 32 KiB. */
const LISTING = 32_768

/** "." and "..", and all names: each padded to 8 bytes. */
const LISTED_BYTES = 2 * (DIRENTPLUS + 8) + LISTED * (DIRENTPLUS + 16)

const noFlags = { readFlags: 0, flags: 0 }

/** All workloads. */
export const workloads: readonly FsWorkload[] = [
  {
    name: 'GETATTR',
    goal: 1.5,
    prepare: (driver, { files }) =>
      files.map((node) => {
        const request = driver.prepare('getattr', node, { flags: 0, fh: 0 }, { fields: ATTRIBUTES })
        return [step(request, ATTRIBUTES)]
      }),
  },
  {
    name: 'LOOKUP',
    goal: 1.5,
    prepare: (driver, { files, above }) =>
      files.map((_, i) => {
        const request = driver.prepare('lookup', above, { name: fileName(i) }, { fields: ENTRY })
        return [step(request, ENTRY)]
      }),
  },
  { name: 'READ 4 KiB', goal: 1.5, prepare: (...where) => reads(...where, PAGE, FILES) },
  {
    name: 'READDIRPLUS',
    goal: 1.5,
    prepare: (driver, { listed }) =>
      listed.handles.map((fh) => {
        const fields = { fh, offset: 0n, size: LISTING, ...noFlags }
        const request = driver.prepare('readdirplus', listed.node, fields, { payload: LISTING })
        return [step(request, LISTED_BYTES)]
      }),
  },
  { name: 'READ 1 MiB', goal: 1, prepare: (...where) => reads(...where, MIB, DEPTH_MAX) },
  {
    name: 'WRITE 4 KiB',
    prepare(driver, { large: { node, fh } }) {
      const data = run(heapMemory(PAGE), 0, PAGE)
      return numbers(FILES).map((i) => {
        const fields = { fh, offset: scattered(i, PAGE), size: PAGE, writeFlags: 0 }
        const request = { ...fields, flags: 0, data }
        return [step(driver.prepare('write', node, request, { fields: WRITTEN }), WRITTEN)]
      })
    },
  },
  {
    name: 'CREATE to UNLINK',
    prepare: (driver, { made }) =>
      numbers(DEPTH_MAX).map((i) => creation(driver, made, fileName(i))),
  },
]

/** A file that is made, closed, removed and forgotten, as by `: >file; rm file`. */
function creation(driver: FsDriver, node: number, name: string): Job {
  const flags = openFlags.RDWR | openFlags.CREAT | openFlags.EXCL
  const made = { flags, mode: 0o100644, umask: 0o022, openFlags: 0, name }
  const create = driver.prepare('create', node, made, { fields: ENTRY + OPENED })
  const closed = { fh: 0, flags: 0, releaseFlags: 0, lockOwner: 0n }
  const release = driver.prepare('release', node, closed, {})
  const forget = driver.prepare('forget', node, { count: 1 }, undefined)
  return [
    step(create, ENTRY + OPENED, () => {
      // The node's number in the headers, the handle in the first field of RELEASE.
      const id = create.reply.getBigUint64(0, true)
      for (const { header } of [release, forget]) header.setBigUint64(16, id, true)
      release.fields.setBigUint64(0, create.reply.getBigUint64(ENTRY, true), true)
    }),
    step(release, 0),
    step(driver.prepare('unlink', node, { name }, {}), 0),
    { ...forget, replyBytes: 0 },
  ]
}

function reads(driver: FsDriver, { large }: MountedFolder, size: number, count: number): Job[] {
  return numbers(count).map((i) => {
    const fields = { fh: large.fh, offset: scattered(i, size), size, ...noFlags }
    return [step(driver.prepare('read', large.node, fields, { payload: size }), size)]
  })
}

/** @param bytes of the reply behind its header. */
function step(prepared: Prepared, bytes: number, onReply?: () => void): Step {
  return { ...prepared, replyBytes: HEADER + bytes, onReply }
}

/** The offset of the block with this number in the large file, in no order. */
function scattered(number: number, block: number): number {
  const blocks = LARGE_BYTES / block
  return ((number * 7919) % blocks) * block
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}
