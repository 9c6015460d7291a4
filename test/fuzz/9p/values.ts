import type { KindName } from '../../../src/9p/wire/kinds.ts'
import { flags, limits, messages, type MessageName, qidType } from '../../../src/9p/index.ts'
import type { KnownFid, Model } from './model.ts'
import type { Random } from '../random.ts'
import { attributeNames, everyName, hostileNames, newNames, targets } from '../names.ts'
import type { JsonFields } from '../trace.ts'
import { startingNames } from '../world.ts'

/**
 * Values for a request's fields, chosen by the field's kind and name. A new row of the table needs no code
 * here if its fields have the usual names.
 */
export function fieldsFor(name: MessageName, model: Model, random: Random): JsonFields {
  const made: Record<string, JsonFields[string]> = {}
  const kindsByField = Object.entries(messages[name].T) as [string, KindName][]
  for (const [field, kind] of kindsByField) {
    made[field] = valueFor({ message: name, field, kind, made, model, random })
  }
  return made
}

interface Wanted {
  readonly message: MessageName
  readonly field: string
  readonly kind: KindName
  /** The fields before this one. */
  readonly made: JsonFields
  readonly model: Model
  readonly random: Random
}

const U32_MAX = 0xffff_ffff
const hugeSizes = [2 ** 31, 2 ** 32 - 1, 2 ** 53 - 1, 2 ** 53, 2 ** 63, 2 ** 64 - 2048] as const
const smallSizes = [0, 1, 2, 4, 5, 100, 4095, 4096, 65536, 3 << 20] as const

function valueFor(wanted: Wanted): JsonFields[string] {
  const { message, field, kind, made, model, random } = wanted
  // An attribute that is being written takes its bytes in order.
  const unwritten = message === 'write' ? model.fids.get(made['fid'] as number)?.value : undefined
  switch (kind) {
    case 'u8':
      return random.pick([0, 1, 1, 2, 2, random.pick([3, 255])])
    case 'u16':
      return random.pick([0, 1, 2, 3, limits.NOTAG, random.upTo(limits.NOTAG)])
    case 'u32':
      return field.endsWith('fid') ? fidFor(wanted) : numberFor(wanted)
    case 'mask':
      return random.pick([0x7ff, 0x3fff, 0, U32_MAX, random.u32()])
    case 'seconds':
      return random.pick([0, 1, -1, 1e9, 2 ** 31, -(2 ** 31), 2 ** 34, 2 ** 52, -(2 ** 52)])
    case 'size':
      if (unwritten !== undefined && random.chance(90)) return unwritten.written
      if (field.endsWith('Nsec')) return random.pick([0, 1, 999_999_999, 1e9, 2 ** 32, 2 ** 63])
      return random.chance(85) ? random.pick(smallSizes) : random.pick(hugeSizes)
    case 'u64':
      if (field === 'size') return { u64: String(random.pick(attributeSizes)) }
      if (message === 'lock' || message === 'getlock') {
        if (random.chance(90)) return { u64: String(random.upTo(5)) }
      }
      return { u64: String(random.pick(cookies)) }
    case 'string':
      return stringFor(field, message, wanted)
    case 'strings':
      return namesFor(wanted)
    case 'data':
      if (unwritten !== undefined && random.chance(90)) {
        return { zeros: Math.min(unwritten.size - unwritten.written, random.pick([3, 8000])) }
      }
      if (random.chance(10)) {
        const whole = model.msize || limits.MSIZE_MIN
        return { zeros: whole - (random.chance(90) ? limits.IO_HEADER_BYTES : 22) }
      }
      return { bytes: random.bytes(random.upTo(40)).toString('latin1') }
    case 'qid':
    case 'qids':
      throw new Error(`T${message} has a ${kind}, which no request has had so far`)
  }
}

const attributeSizes = [0n, 0n, 1n, 5n, 100n, 5000n, 65_536n, 65_537n, 2n ** 64n - 1n] as const
const cookies = [0n, 0n, 0n, 1n, 2n, 3n, 100n, 2n ** 31n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n]

/** Fids are small numbers, so that requests meet. */
const FIDS = 12

/** Fids that stand for nothing. */
export function freeFids(model: Model): number[] {
  return Array.from({ length: FIDS }, (_, i) => i).filter((i) => !model.fids.has(i))
}

function fidFor({ field, message, made, model, random }: Wanted): number {
  if (field === 'afid') return random.chance(90) ? limits.NOFID : random.upTo(FIDS)
  const makesOne = field === 'newfid' || message === 'attach'
  if (random.chance(4)) return random.pick([limits.NOFID, U32_MAX - 1, 2 ** 31, random.u32()])
  if (random.chance(8)) return random.upTo(FIDS)
  if (makesOne) {
    if (field === 'newfid' && random.chance(10)) return made['fid'] as number
    const free = freeFids(model)
    return free.length > 0 ? random.pick(free) : random.upTo(FIDS)
  }
  const all = [...model.fids]
  if (message === 'clunk' && random.chance(60)) {
    const whole = all.filter(([, { value }]) => value !== undefined && value.written >= value.size)
    if (whole.length > 0) return random.pick(whole)[0]
  }
  const fitting = all.filter(([, fid]) => fits(message, field, fid))
  const from = fitting.length > 0 && random.chance(90) ? fitting : all
  return from.length > 0 ? random.pick(from)[0] : random.upTo(FIDS)
}

/** Whether the request can succeed on this fid. */
function fits(message: MessageName, field: string, fid: KnownFid): boolean {
  const { type, open, path, value } = fid
  const isDirectory = (type & qidType.directory) !== 0
  const isSymlink = (type & qidType.symlink) !== 0
  if (path === null) return fitsAttribute(message, value !== undefined)
  if (field !== 'fid') return isDirectory
  switch (message) {
    case 'walk':
    case 'lcreate':
      return isDirectory && !open
    case 'lopen':
      return !isSymlink && !open
    case 'read':
    case 'write':
    case 'fsync':
    case 'lock':
    case 'getlock':
      return !isDirectory && open
    case 'xattrcreate':
      return !open
    case 'readdir':
      return isDirectory && open
    case 'readlink':
      return isSymlink
    default:
      return true
  }
}

function fitsAttribute(message: MessageName, isWritten: boolean): boolean {
  return message === 'clunk' || message === (isWritten ? 'write' : 'read')
}

/** Whether the model has a fid on which the request can succeed. */
export function hasChance(message: MessageName, model: Model): boolean {
  return [...model.fids.values()].some((fid) => fits(message, 'fid', fid))
}

const { FIFO, SOCKET, CHAR, BLOCK, FILE, SYMLINK, DIRECTORY } = flags.mode
const fileTypes = [FIFO, SOCKET, CHAR, BLOCK, FILE, SYMLINK, DIRECTORY] as const

const openFlags = Object.values(flags.open)

function numberFor({ message, field, random }: Wanted): number {
  switch (field) {
    case 'flags':
      if (message === 'lopen' && random.chance(30)) return 0
      if (message.startsWith('xattr') && random.chance(80)) return random.pick([0, 0, 1, 2])
      if (message === 'lock' && random.chance(80)) return flags.lock.BLOCK
      if (message === 'unlinkat') return random.pick([0, 0, flags.AT_REMOVEDIR, random.u32()])
      if (random.chance(5)) return random.u32()
      if (random.chance(70)) return random.pick([0, 0, 1, 2, 2, 3])
      return random.pick(openFlags) | random.pick(openFlags) | random.upTo(2)
    case 'count':
      return random.pick([0, 1, 7, 24, 30, 100, 4096, 65536, 0x7fff_ffff, U32_MAX - 10, U32_MAX])
    case 'mode':
      if (message === 'mknod' && random.chance(80)) return 0o644 | random.pick(fileTypes)
      return random.pick([0o644, 0o755, 0o100644, 0o40755, 0, 0o6777, 0o120777, 0o10644, U32_MAX])
    case 'valid':
      return random.chance(60) ? 1 << random.upTo(9) : random.u32()
    case 'uid':
    case 'gid':
      return random.pick([0, 0, 1, 65534, U32_MAX, random.u32()])
    case 'msize':
      if (random.chance(30)) return random.pick([0, 1, 24, 4095, limits.MSIZE_MAX, U32_MAX])
      return random.pick([4096, 8192, 131_072])
    default:
      return random.pick([0, 1, 2, 3, 8, 4096, 0x7fff_ffff, U32_MAX, random.u32()])
  }
}

function stringFor(field: string, message: MessageName, wanted: Wanted): string {
  const { random } = wanted
  if (field === 'version') {
    return random.chance(80)
      ? limits.VERSION
      : random.pick(['9P2000', '9P2000.u', '', '9P2000.L.x'])
  }
  if (random.chance(1)) return 'z'.repeat(random.pick([4000, 65535]))
  if (field === 'clientId' && random.chance(90)) return random.pick(['a', 'b'])
  if (message.startsWith('xattr') && random.chance(80)) return random.pick(attributeNames)
  if (field === 'symtgt') return random.pick(targets)
  if (message === 'attach' && random.chance(70)) return ''
  if (makers.has(message) && field !== 'oldname' && random.chance(60)) return random.pick(newNames)
  return nameFor(whereOf(wanted), random)
}

/** A directory in which a new name can be made. */
const makers: ReadonlySet<string> = new Set([
  'lcreate',
  'mkdir',
  'mknod',
  'symlink',
  'link',
  'rename',
  'renameat',
])

/** The directory in which the request will look for a name. */
function whereOf({ made, model }: Wanted): string {
  for (const field of ['dfid', 'dirfid', 'newdirfid', 'olddirfid', 'fid']) {
    const fid = made[field]
    if (typeof fid === 'number') return model.fids.get(fid)?.where ?? ''
  }
  return ''
}

function nameFor(where: string, random: Random): string {
  if (random.chance(12)) return random.pick(hostileNames)
  const here = startingNames[where]
  if (here !== undefined && random.chance(20)) return where === '' ? 'dir' : 'inner'
  if (here !== undefined && random.chance(60)) return random.pick(here)
  return random.pick(everyName)
}

function namesFor(wanted: Wanted): readonly string[] {
  const { random } = wanted
  const names: string[] = []
  const count = random.chance(5) ? random.pick([16, 17, 40]) : random.pick([0, 1, 1, 1, 1, 2, 2, 3])
  let where = whereOf(wanted)
  for (let i = 0; i < count; i++) {
    const up = where.includes('/') || i > 1 ? 35 : 10
    const name = random.chance(up) ? '..' : nameFor(where, random)
    names.push(name)
    where = where === '' ? name : `${where}/${name}`
  }
  return names
}
