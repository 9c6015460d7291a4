import { resolve } from 'node:path'
import type { Caching } from '../fuse/caching.ts'
import { value } from '../machine/devices/device.ts'
import { FS_DEVICE, FS_QUEUE_SIZE, sharedMemory } from '../machine/devices/vhost-user.ts'
import type { VirtiofsListen } from '../server/share.ts'
import type { HostExport } from '../tree/host/host-exports.ts'
import { UserError } from './user-error.ts'
import { splitAtCommas } from './values.ts'

/** What a client can mount: the only export, which has no name, or one of several. */
export interface Mountable {
  /** By which a client or an address chooses it. */
  readonly name: string | null
  readonly readOnly: boolean
}

/** The default tag of a device. */
export const DEFAULT_TAG = 'lowerdir'

/** The form of an address for virtio-fs. Help, messages and {@link parseVirtiofs} have it from here. */
export const VIRTIOFS_FORM =
  'virtiofs:PATH[,tag=NAME][,cache=MODE][,writeback][,export=NAME][,config][,unsealed]'

/** A tag that needs no quotes in a shell, in XML or in a VMM's arguments. A device has room for 36 bytes (virtio 1.3, 5.11.4). */
const TAG = /^[\w.-]{1,36}$/

/** What the guest may keep, by lowerdir's word and by virtiofsd's. */
const cacheWords: Readonly<Record<string, Caching>> = {
  none: 'none',
  mmap: 'mmap',
  loose: 'loose',
  never: 'none',
  auto: 'mmap',
  always: 'loose',
}

/** A {@link VIRTIOFS_FORM}, before it is known what is served there. */
export interface VirtiofsAddress {
  readonly kind: 'virtiofs'
  readonly path: string
  /** By which the guest mounts it. */
  readonly tag: string
  readonly caching: Caching
  readonly writeback: boolean
  /** The name of the export; undefined for the only one. */
  readonly exportName: string | undefined
  /** Whether VMMs are offered to ask for the tag. */
  readonly config: boolean
  readonly unsealed: boolean
}

/**
 * Parses what follows `virtiofs:`. A comma that is part of PATH is written twice.
 *
 * @param text the whole address, for messages.
 */
export function parseVirtiofs(text: string, rest: string): VirtiofsAddress {
  const [path = '', ...words] = splitAtCommas(rest)
  if (path === '') {
    throw new UserError(`--listen ${text}: the path is missing; use ${VIRTIOFS_FORM}.`)
  }
  const given = new Map<string, string>()
  for (const word of words) {
    const equals = word.indexOf('=')
    const name = equals < 0 ? word : word.slice(0, equals)
    const takesValue = { tag: true, cache: true, export: true }[name] ?? false
    const isFlag = ['writeback', 'config', 'unsealed'].includes(name)
    if ((!takesValue && !isFlag) || takesValue !== equals >= 0) {
      throw new UserError(
        `--listen ${text}: '${word}' is none of ${WORDS}. Write a comma that is part of PATH twice.`,
      )
    }
    if (given.has(name)) {
      throw new UserError(`--listen ${text}: ${name} is given more than once. Say which one holds.`)
    }
    given.set(name, word.slice(equals + 1))
  }
  const tag = given.get('tag') ?? DEFAULT_TAG
  if (!TAG.test(tag)) {
    throw new UserError(
      `--listen ${text}: a tag is 1 to 36 letters, digits, and any of . _ - (the guest mounts the device by it).`,
    )
  }
  const cache = given.get('cache') ?? 'mmap'
  const caching = Object.hasOwn(cacheWords, cache) ? cacheWords[cache] : undefined
  if (caching === undefined) {
    throw new UserError(
      `--listen ${text}: cache=${cache} is none of ${Object.keys(cacheWords).join(', ')}.`,
    )
  }
  return {
    kind: 'virtiofs',
    path: resolve(path),
    tag,
    caching,
    writeback: given.has('writeback'),
    exportName: given.get('export'),
    config: given.has('config'),
    unsealed: given.has('unsealed'),
  }
}

const WORDS = 'tag=NAME, cache=MODE, writeback, export=NAME, config, unsealed'

/**
 * What is to be served at an address.
 *
 * Locks of a guest are the server's where others could meet them: in a writable tree, and where the user says whom locks keep
 * out. Otherwise the guest's kernel keeps them, which costs no request.
 *
 * @throws UserError if the address does not say which one of several exports, or names one that does not exist.
 */
export function virtiofsListen(
  { tag, config, exportName, writeback, unsealed, ...rest }: VirtiofsAddress,
  exports: readonly HostExport[],
): VirtiofsListen {
  const {
    name,
    readOnly,
    lockScope,
    owner,
    acls = false,
  } = exportAt(rest.path, exportName, exports)
  const keepsAcls = owner === 'host' || owner === 'mapped-xattr'
  return {
    ...rest,
    exportName: name ?? undefined,
    remoteLocks: !readOnly || lockScope !== undefined,
    writeback,
    acls: acls && keepsAcls,
    offersTag: config ? tag : undefined,
    unsealed,
  }
}

/** The export that an address names. */
function exportAt<E extends Mountable>(
  path: string,
  wanted: string | undefined,
  exports: readonly E[],
): E {
  const [only, ...others] = exports
  if (wanted === undefined && only !== undefined && others.length === 0) return only
  const named = exports.find(({ name }) => name !== null && name === wanted)
  if (named !== undefined) return named
  const names = exports.flatMap(({ name }) => (name === null ? [] : [`export=${name}`]))
  if (names.length === 0) {
    throw new UserError(
      `--listen virtiofs:${path}: there is one directory and it has no name: leave out export=${wanted}.`,
    )
  }
  const reason =
    wanted === undefined ? 'a device has one export: say which' : `there is no export ${wanted}`
  throw new UserError(`--listen virtiofs:${path}: ${reason}, with one of ${names.join(', ')}.`)
}

/** The command that mounts the device, below what each VMM needs to make one. */
export function virtiofsLines(
  { path, tag, exportName }: VirtiofsAddress,
  exports: readonly Mountable[],
): string[] {
  const { name, readOnly } = exportAt(path, exportName, exports)
  const memory = sharedMemory(SIZE)
  const id = `fs-${tag}`
  return [
    '# In a guest of QEMU (tested: 7.2 and 11.1) with these arguments; -m and size= may be larger:',
    `#   -m ${SIZE} -object ${memory.object} -machine q35,${memory.machine}`,
    `#   -chardev socket,id=${id},path=${value(path)} -device ${FS_DEVICE},chardev=${id},tag=${tag},queue-size=${FS_QUEUE_SIZE}`,
    '# Or of libvirt, with this in its domain:',
    `#   <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>`,
    `#   <filesystem type='mount'><driver type='virtiofs' queue='${FS_QUEUE_SIZE}'/><source socket='${xml(path)}'/><target dir='${tag}'/></filesystem>`,
    '# Or of cloud-hypervisor (not tested; its memory cannot be sealed, so it needs ,unsealed):',
    `#   --memory size=${SIZE},shared=on --fs tag=${tag},socket=${path},num_queues=1,queue_size=${FS_QUEUE_SIZE}`,
    '# Or of crosvm (not tested; it needs ,config, of which QEMU 7.1 to 8.0 crash):',
    `#   --vhost-user fs,socket=${path}`,
    `mount -t virtiofs ${readOnly ? '-o ro,noatime ' : ''}${tag} /mnt${name === null ? '' : `/${name}`}`,
  ]
}

/** The guest's memory in the examples. */
const SIZE = '1G'

function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll("'", '&apos;')
}
