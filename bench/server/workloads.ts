import { errno } from '../../src/sys/errno.ts'
import { Reader } from '../../src/wire/cursor.ts'
import { readDirent } from '../../src/9p/wire/dirent.ts'
import { getattr, lock, open } from '../../src/9p/wire/flags.ts'
import { IO_HEADER_BYTES } from '../../src/9p/wire/limits.ts'
import type { MessageName, T } from '../../src/9p/wire/messages.ts'
import { type Connection, type Lane, ROOT, encode } from './connection.ts'
import {
  FILES,
  LARGE_BYTES,
  LARGE_NAME,
  LISTED_NAME,
  XATTR,
  directoryName,
  fileName,
} from './folder.ts'

/** One request of a workload, and the errno with which it has to fail, if any. */
type Step = { [M in MessageName]: readonly [name: M, request: T<M>, fails?: number] }[MessageName]

/** The requests that a lane repeats, and how many units one repetition counts for. */
interface Round {
  readonly steps: readonly Step[]
  readonly worth: number
}

/** A kind of requests to measure. */
export interface Workload {
  readonly name: string
  /** The unit that is counted per second. */
  readonly unit: 'ops' | 'MB' | 'names'
  /** The numbers of requests in flight to measure with, one request for each lane. */
  readonly inFlight: readonly number[]
  /** The largest message to ask for, in bytes. */
  readonly msize: number
  /** Prepares the fids of a lane, which may use the numbers from `fid` to `fid` + 999. */
  prepare(connection: Connection, lane: number, fid: number): Round
}

const small = { inFlight: [1, 16], unit: 'ops', msize: 64 * 1024 } as const
const bulk = { inFlight: [1, 16], unit: 'MB' } as const

export const workloads: readonly Workload[] = [
  {
    ...small,
    name: 'getattr',
    prepare(connection, lane, fid) {
      const steps = names(2 * FILES).map(([directory, file], i): Step => {
        const path = [directoryName(lane), directory, file]
        connection.get('walk', { fid: ROOT, newfid: fid + i, names: path })
        return ['getattr', { fid: fid + i, mask: getattr.BASIC }]
      })
      return { steps, worth: steps.length }
    },
  },
  { ...small, name: 'walk + clunk', prepare: walks(({ newfid }) => [['clunk', { fid: newfid }]]) },
  {
    ...small,
    name: '4 KiB read',
    prepare(connection, lane, fid) {
      openLarge(connection, fid)
      const steps = Array.from({ length: 2048 }, (_, i): Step => {
        return ['read', { fid, offset: (lane * 2048 + i) * 4096, count: 4096 }]
      })
      return { steps, worth: steps.length }
    },
  },
  {
    ...small,
    name: 'walk + open + clunk',
    prepare: walks(({ newfid }) => [
      ['lopen', { fid: newfid, flags: open.RDONLY | open.LARGEFILE }],
      ['clunk', { fid: newfid }],
    ]),
  },
  {
    ...small,
    name: 'walk + getattr + clunk',
    prepare: walks(({ newfid }) => [
      ['getattr', { fid: newfid, mask: getattr.BASIC }],
      ['clunk', { fid: newfid }],
    ]),
  },
  {
    ...small,
    name: 'walk to no file',
    prepare(_, lane, fid) {
      const steps = Array.from({ length: FILES }, (__, i): Step => {
        const path = [`none-${directoryName(lane)}-${i}`]
        return ['walk', { fid: ROOT, newfid: fid, names: path }, errno.ENOENT]
      })
      return { steps, worth: steps.length }
    },
  },
  {
    ...small,
    name: 'xattr',
    prepare(connection, lane, fid) {
      const newfid = fid + 500
      const steps = names(FILES).flatMap(([directory, file], i): Step[] => {
        const path = [directoryName(lane), directory, file]
        connection.get('walk', { fid: ROOT, newfid: fid + i, names: path })
        return [
          ['xattrwalk', { fid: fid + i, newfid, name: XATTR.name }],
          ['read', { fid: newfid, offset: 0, count: XATTR.value.length }],
          ['clunk', { fid: newfid }],
        ]
      })
      return { steps, worth: FILES }
    },
  },
  {
    ...small,
    name: 'lock + unlock',
    prepare(connection, lane, fid) {
      openLarge(connection, fid)
      const request = {
        fid,
        flags: 0,
        start: BigInt(lane) * 4096n,
        length: 4096n,
        procId: lane + 1,
        clientId: 'bench',
      }
      const steps = Array.from({ length: 64 }, (): Step[] => [
        ['lock', { ...request, type: lock.RDLCK }],
        ['lock', { ...request, type: lock.UNLCK }],
      ]).flat()
      return { steps, worth: steps.length / 2 }
    },
  },
  { ...small, unit: 'names', name: 'readdir', prepare: listing },
  { ...bulk, name: '64 KiB read', msize: 64 * 1024 + IO_HEADER_BYTES, prepare: bulkReads },
  { ...bulk, name: '1 MiB read', msize: 1 << 20, prepare: bulkReads },
]

/** A walk to each file of the lane's directories, followed by other requests. */
function walks(then: (walk: T<'walk'>) => readonly Step[]): Workload['prepare'] {
  return (connection, lane, fid) => {
    const newfid = fid + 500
    const files = names(4 * FILES)
    const steps = files.flatMap(([directory, file], i): Step[] => {
      const parent = fid + Math.floor(i / FILES)
      if (i % FILES === 0) {
        const path = [directoryName(lane), directory]
        connection.get('walk', { fid: ROOT, newfid: parent, names: path })
      }
      const walk = { fid: parent, newfid, names: [file] }
      return [['walk', walk], ...then(walk)]
    })
    return { steps, worth: files.length }
  }
}

/** The names of `count` files and of their directories. */
function names(count: number): (readonly [directory: string, file: string])[] {
  return Array.from({ length: count }, (_, i) => {
    return [directoryName(Math.floor(i / FILES)), fileName(i % FILES)]
  })
}

/** Lists the whole directory, in as many requests as msize needs. */
function listing(connection: Connection, _: number, fid: number): Round {
  connection.get('walk', { fid: ROOT, newfid: fid, names: [LISTED_NAME] })
  connection.get('lopen', { fid, flags: open.RDONLY | open.DIRECTORY })
  const count = connection.msize - IO_HEADER_BYTES
  const steps: Step[] = []
  let worth = 0
  // Asks the server for the cookies once: they stay the same while the directory does not change.
  for (let offset = 0n, before = -1; worth !== before;) {
    before = worth
    steps.push(['readdir', { fid, offset, count }])
    const { data } = connection.get('readdir', { fid, offset, count })
    const from = new Reader(data.memory).over(data.memory, data.offset, data.offset + data.length)
    for (; from.position < from.end; worth++) offset = readDirent(from).offset
  }
  return { steps, worth }
}

/** Reads a sixteenth of the large file, a different one for each lane, in the largest reads that msize allows. */
function bulkReads(connection: Connection, lane: number, fid: number): Round {
  openLarge(connection, fid)
  const count = connection.msize - IO_HEADER_BYTES
  const reads = Math.floor(LARGE_BYTES / 16 / count)
  const steps = Array.from({ length: reads }, (_, i): Step => {
    return ['read', { fid, offset: (lane * reads + i) * count, count }]
  })
  return { steps, worth: (reads * count) / 1e6 }
}

function openLarge(connection: Connection, fid: number): void {
  connection.get('walk', { fid: ROOT, newfid: fid, names: [LARGE_NAME] })
  connection.get('lopen', { fid, flags: open.RDONLY | open.LARGEFILE })
}

/** Makes every request of a round once, checks its reply, and records both. */
export function rehearse(connection: Connection, tag: number, { steps }: Round): Lane {
  return steps.map(([name, request, fails]) => {
    const { reply, type, size } = connection.call(name, request)
    const failed = reply.ok ? undefined : reply.ecode
    if (failed !== fails) {
      throw new Error(`T${name} ${text(request)}: errno ${failed} where ${fails} was expected`)
    }
    if (name === 'read' && reply.ok && 'data' in reply.fields) {
      const { length } = reply.fields.data
      if (length !== request.count) throw new Error(`T${name} ${text(request)}: ${length} bytes`)
    }
    return { request: encode(tag, name, request as never), replyType: type, replySize: size }
  })
}

function text(request: object): string {
  return JSON.stringify(request, (_, value) => (typeof value === 'bigint' ? `${value}` : value))
}
