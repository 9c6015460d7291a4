import { type Payload, payloadBytes } from '../../../src/sys/memory.ts'
import { type Entry, kinds } from '../../../src/fuse/wire/kinds.ts'
import { Reader } from '../../../src/wire/cursor.ts'
import { memoryOf } from '../frames.ts'

/** One struct fuse_dirent. */
export interface Dirent {
  readonly ino: bigint
  /** What a READDIR asks for to get the entries behind this one. */
  readonly cookie: bigint
  readonly type: number
  readonly name: string
}

/** The entries of a READDIR's reply. @throws where they do not end as the kernel wants them. */
export function entriesIn(data: Payload): Dirent[] {
  return listed(data, takeDirent)
}

/** One struct fuse_direntplus. */
export interface DirentPlus extends Dirent {
  /** The node id is 0 where nothing was told. */
  readonly entry: Entry
}

/** The entries of a READDIRPLUS' reply. */
export function plusEntriesIn(data: Payload): DirentPlus[] {
  return listed(data, (from) => {
    const entry = kinds.entry.read(from)
    return { entry, ...takeDirent(from) }
  })
}

function listed<E>(data: Payload, take: (from: Reader) => E): E[] {
  const bytes = payloadBytes(data)
  const memory = memoryOf(bytes)
  const from = new Reader(memory).over(memory, 0, bytes.length)
  const entries: E[] = []
  while (from.position < from.end) entries.push(take(from))
  return entries
}

function takeDirent(from: Reader): Dirent {
  const start = from.position
  const ino = from.u64()
  const cookie = from.u64()
  const length = from.u32()
  const type = from.u32()
  const at = from.take(length)
  const name = from.memory.bytes.toString('latin1', at, at + length)
  const padding = from.take((8 - ((from.position - start) % 8)) % 8)
  if (from.memory.bytes.subarray(padding, from.position).some((byte) => byte !== 0)) {
    throw new Error(`${name} is followed by bytes that are not 0`)
  }
  return { ino, cookie, type, name }
}
