import { init, lock, opened, setattr } from '../../../src/fuse/wire/flags.ts'
import type { KindName } from '../../../src/fuse/wire/kinds.ts'
import { MAJOR, ROOT_ID } from '../../../src/fuse/wire/limits.ts'
import { type MessageName, type Row, messages } from '../../../src/fuse/wire/messages.ts'
import { modes, openFlags as treeFlags } from '../../../src/tree/flags.ts'
import { attributeNames, everyName, hostileNames, newNames, targets } from '../names.ts'
import type { Random } from '../random.ts'
import type { JsonFields, JsonValue } from '../trace.ts'
import { startingNames } from '../world.ts'
import type { Model } from './model.ts'

const U32_MAX = 0xffff_ffff
const hugeSizes = [2 ** 31, 2 ** 32 - 1, 2 ** 53 - 1, 2 ** 53, 2 ** 63, 2 ** 64 - 2048] as const
const smallSizes = [0, 1, 2, 4, 5, 100, 4095, 4096, 65536, 3 << 20] as const
const cookies = [0n, 0n, 0n, 1n, 2n, 3n, 100n, 2n ** 31n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n]
const strangeIds = [0, 2 ** 31, 2 ** 53 - 1, 2 ** 53, 2 ** 63] as const

interface Wanted {
  readonly message: MessageName
  readonly nodeid: number
  readonly field: string
  readonly kind: KindName
  /** The fields before this one. */
  readonly made: JsonFields
  readonly model: Model
  readonly random: Random
  /** Numbers of requests that wait. */
  readonly waiting: readonly number[]
}

/** What a request is about, and its fields, chosen by their kinds and names. A new row needs no code if its fields have the usual names. */
export function requestFor(
  message: MessageName,
  model: Model,
  random: Random,
  waiting: readonly number[],
): { readonly nodeid: number; readonly fields: JsonFields } {
  const fields: Record<string, JsonValue> = {}
  const { T }: Row = messages[message]
  const handle = 'fh' in T ? handleFor(message, model, random) : 0
  const own = model.handles.get(handle)?.nodeid
  const nodeid = own !== undefined && random.chance(90) ? own : nodeFor(message, model, random)
  for (const [field, kind] of Object.entries(T)) {
    if (field.startsWith('_')) continue
    const wanted = { message, nodeid, field, kind, made: fields, model, random, waiting }
    fields[field] = field === 'fh' ? handle : valueFor(wanted)
  }
  // The size of a WRITE or a SETXATTR is that of its data, but for liars.
  const data = fields['data'] ?? fields['value']
  if (data !== undefined && random.chance(97)) fields['size'] = lengthOf(data)
  return { nodeid, fields }
}

function lengthOf(data: JsonValue): number {
  if (typeof data === 'object' && 'zeros' in data) return data.zeros
  return typeof data === 'object' && 'bytes' in data ? data.bytes.length : 0
}

const inDirectory: ReadonlySet<MessageName> = new Set<MessageName>([
  'lookup',
  'symlink',
  'mknod',
  'mkdir',
  'unlink',
  'rmdir',
  'rename',
  'rename2',
  'link',
  'create',
  'tmpfile',
  'opendir',
  'readdir',
  'readdirplus',
])

function nodeFor(message: MessageName, model: Model, random: Random): number {
  if (random.chance(5)) return random.pick([...strangeIds, random.upTo(40)])
  const all = [...model.nodes]
  const isFitting = (type: number): boolean => {
    if (inDirectory.has(message)) return type === modes.DIRECTORY
    if (message === 'readlink') return type === modes.SYMLINK
    return message !== 'open' || type === modes.FILE
  }
  const fitting = all.filter(([, { type }]) => isFitting(type))
  const from = fitting.length > 0 && random.chance(90) ? fitting : all
  return from.length > 0 ? random.pick(from)[0] : ROOT_ID
}

const onDirectory: ReadonlySet<MessageName> = new Set<MessageName>([
  'readdir',
  'readdirplus',
  'releasedir',
  'fsyncdir',
])

function handleFor(message: MessageName, model: Model, random: Random): number {
  if (random.chance(5)) return random.pick([...strangeIds, random.upTo(40)])
  const all = [...model.handles]
  const fitting = all.filter(([, { isDirectory }]) => isDirectory === onDirectory.has(message))
  const from = fitting.length > 0 && random.chance(90) ? fitting : all
  return from.length > 0 ? random.pick(from)[0] : random.upTo(3)
}

/** Whether the model has something on which the request can succeed. */
export function hasChance(message: MessageName, model: Model): boolean {
  const { T }: Row = messages[message]
  if (!('fh' in T) || message === 'setattr' || message === 'getattr') return true
  return [...model.handles.values()].some(
    ({ isDirectory }) => isDirectory === onDirectory.has(message),
  )
}

function valueFor(wanted: Wanted): JsonValue {
  const { message, field, kind, model, random, waiting } = wanted
  switch (kind) {
    case 'u32':
      return numberFor(wanted)
    case 'u64':
      if (field === 'flags') return { u64: String(random.chance(95) ? 0 : random.pick(cookies)) }
      if (field.toLowerCase().endsWith('owner')) return { u64: String(random.upTo(2)) }
      // The end of a lock comes behind its start.
      if (field === 'start' || field === 'end') {
        const last = field === 'end' ? 3 : 0
        return {
          u64: String(random.chance(90) ? BigInt(last + random.upTo(4)) : random.pick(cookies)),
        }
      }
      return { u64: String(random.pick(cookies)) }
    case 'size':
      // Not so many bytes that the host would have to find memory for them.
      if (message === 'fallocate' && field === 'length') {
        return random.pick([0, 1, 5, 4096, 3 << 20, 2 ** 53 - 1, 2 ** 53, 2 ** 63])
      }
      return random.chance(85) ? random.pick(smallSizes) : random.pick(hugeSizes)
    case 'seconds':
      return random.pick([0, 1, -1, 1e9, 2 ** 31, -(2 ** 31), 2 ** 34, 2 ** 52, -(2 ** 52)])
    case 'id':
      if (field === 'count') return random.pick([0, 1, 1, 1, 2, 5, 2 ** 53, 2 ** 63])
      if (field === 'unique') {
        return waiting.length > 0 && random.chance(85) ? random.pick(waiting) : random.upTo(50)
      }
      if (field === 'fhOut') return handleFor(message, model, random)
      if (field === 'length') return random.pick([0, 1, 5, 100, 4096, 16 << 20, 2 ** 53, 2 ** 63])
      return field === 'oldnodeid'
        ? nodeFor('open', model, random)
        : nodeFor('lookup', model, random)
    case 'name':
      return nameFor(wanted)
    case 'data':
      if (random.chance(10)) return { zeros: random.pick([4096, 70_000, 1 << 20]) }
      return { bytes: random.bytes(random.upTo(40)).toString('latin1') }
    case 'extension':
      return random.chance(80) ? U32_MAX : random.u32()
    case 'forgotten':
      return Array.from({ length: random.upTo(5) }, () => ({
        nodeid: nodeFor(message, model, random),
        count: random.pick([0, 1, 1, 2, 2 ** 53]),
      }))
    default:
      throw new Error(`${message} has a ${kind}, which no request has had so far`)
  }
}

const { FIFO, SOCKET, CHAR, BLOCK, FILE, SYMLINK, DIRECTORY } = modes
const fileTypes = [FIFO, SOCKET, CHAR, BLOCK, FILE, SYMLINK, DIRECTORY] as const
const flagsOfOpen = Object.values(treeFlags)
const changes = Object.values(setattr)
const known = Number(Object.values(init).reduce((all, flag) => all | flag, 0n) & 0xffff_ffffn)

function numberFor({ message, field, made, random }: Wanted): number {
  switch (field) {
    case 'flags':
      if (message === 'init') return random.chance(80) ? known : random.u32()
      if (message === 'setlk' || message === 'setlkw' || message === 'getlk') return random.upTo(1)
      if (message === 'rename2') return random.pick([0, 1, 2, 4, 5, 8, random.u32()])
      if (message === 'getattr' || message === 'statx') return random.upTo(1)
      if (message === 'setxattr') return random.pick([0, 0, 1, 2, 3])
      if (random.chance(5)) return random.u32()
      if (random.chance(70)) return random.pick([0, 0, 1, 2, 2, 3])
      return random.pick(flagsOfOpen) | random.pick(flagsOfOpen) | random.upTo(2)
    case 'openFlags':
    case 'writeFlags':
    case 'readFlags':
    case 'releaseFlags':
      return random.chance(95) ? random.upTo(7) : random.u32()
    case 'valid':
      return random.chance(60) ? random.pick(changes) | random.pick(changes) : random.u32()
    case 'size':
      return random.pick([0, 1, 7, 24, 31, 100, 152, 160, 4096, 65_536, 1 << 20])
    case 'mode':
      if (message === 'mknod' && random.chance(80)) return 0o644 | random.pick(fileTypes)
      if (message === 'fallocate') return random.pick([0, 0, 1, 3, 16, 8, 32, 64, U32_MAX])
      return random.pick([0o644, 0o755, 0o100644, 0o40755, 0, 0o6777, 0o120777, 0o10644, U32_MAX])
    case 'umask':
      return random.pick([0, 0o22, 0o777, U32_MAX])
    case 'uid':
    case 'gid':
      return random.pick([0, 0, 1, 65534, U32_MAX, random.u32()])
    case 'type':
      return random.chance(95) ? random.pick(Object.values(lock)) : random.u32()
    case 'whence':
      return random.pick([3, 4, 3, 4, 0, 1, 2, U32_MAX])
    case 'major':
      return random.chance(90) ? MAJOR : random.pick([0, 6, 8, U32_MAX])
    case 'minor':
      return made['major'] === MAJOR && random.chance(90)
        ? random.pick([31, 36, 39, 41, 45])
        : random.pick([0, 5, 30, U32_MAX])
    default:
      if (field.endsWith('Nsec')) return random.pick([0, 1, 999_999_999, 1e9, U32_MAX])
      return random.pick([
        0,
        1,
        2,
        3,
        8,
        4096,
        opened.KEEP_CACHE,
        0x7fff_ffff,
        U32_MAX,
        random.u32(),
      ])
  }
}

function nameFor({ message, nodeid, field, model, random }: Wanted): string {
  // What has a NUL is two names.
  const whole = (name: string): string => name.split('\0', 1)[0] as string
  if (random.chance(1)) return 'z'.repeat(random.pick([4000, 65_535]))
  if (message.endsWith('xattr') && random.chance(80)) return random.pick(attributeNames)
  if (field === 'target') return whole(random.pick(targets))
  const makes = inDirectory.has(message) && message !== 'lookup' && field !== 'oldname'
  if (makes && random.chance(60)) return random.pick(newNames)
  if (random.chance(12)) return whole(random.pick(hostileNames))
  const where = model.nodes.get(nodeid)?.where ?? ''
  const here = startingNames[where]
  if (here !== undefined && random.chance(25)) return where === '' ? 'dir' : 'inner'
  if (here !== undefined && random.chance(60)) return random.pick(here)
  return random.pick(everyName)
}
