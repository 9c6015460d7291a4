import { resolve } from 'node:path'
import { EXPORT_ADDRESS, VIRTIO_MSIZE } from '../guest/mount.ts'
import { value } from '../machine/devices/device.ts'
import { sharedMemory, vhostUserDevice } from '../machine/devices/vhost-user.ts'
import type { Listen, VirtiofsListen } from '../server/share.ts'
import { UserError } from './user-error.ts'
import { splitAtCommas } from './values.ts'
import {
  DEFAULT_TAG,
  type Mountable,
  type VirtiofsAddress,
  parseVirtiofs,
  virtiofsLines,
} from './virtiofs-address.ts'

/** A tag that needs no quotes in a shell or in QEMU's arguments. 31 is the limit of QEMU's own virtio-9p. */
const TAG = /^[\w.-]{1,31}$/

/** What `--listen` takes, for the help and for errors. */
export const LISTEN_FORMS =
  'unix:PATH, virtiofs:PATH[,OPTION…], vhost-user:PATH[,tag=NAME][,unsealed], tcp:[HOST:]PORT or stdio'

/** What the words of {@link LISTEN_FORMS} stand for. */
export const LISTEN_WORDS =
  'HOST is an IPv4 address or localhost (default 127.0.0.1), and PORT is 0 to 65535 (0: any free port)'

/** An address to listen on, as it was given. */
export type Address = Exclude<Listen, VirtiofsListen> | VirtiofsAddress

/**
 * An address of {@link LISTEN_FORMS} other than `stdio`.
 *
 * @param remote whether to allow addresses that other machines can reach.
 */
export function parseListen(text: string, remote: boolean): Address {
  const [, kind, rest = ''] = /^(unix|virtiofs|vhost-user|tcp):(.+)$/.exec(text) ?? []
  if (kind === 'unix') return { kind, path: resolve(rest) }
  if (kind === 'virtiofs') return parseVirtiofs(text, rest)
  if (kind === 'vhost-user') return parseVhostUser(text, rest)
  const [, host = '127.0.0.1', port] = /^(?:([\d.]+|localhost):)?(\d+)$/.exec(rest) ?? []
  if (kind !== 'tcp' || port === undefined || Number(port) > 65535) {
    throw new UserError(`--listen ${text}: use ${LISTEN_FORMS}. ${LISTEN_WORDS}.`)
  }
  const address = host === 'localhost' ? '127.0.0.1' : host
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(address))
    throw new UserError(`--listen ${text}: ${host} is not an IPv4 address.`)
  if (!address.startsWith('127.') && !remote) {
    throw new UserError(
      `--listen ${text} would let other machines connect, and 9P has no passwords. ` +
        'Add --allow-other-machines if you want that.',
    )
  }
  return { kind, host: address, port: Number(port) }
}

/** `PATH[,tag=NAME][,unsealed]`. A comma that is part of PATH is written twice. */
function parseVhostUser(text: string, rest: string): Address {
  const [path = '', ...words] = splitAtCommas(rest)
  let tag = DEFAULT_TAG
  let unsealed = false
  for (const word of words) {
    if (word === 'unsealed') {
      unsealed = true
      continue
    }
    if (!word.startsWith('tag=')) {
      throw new UserError(
        `--listen ${text}: '${word}' is neither tag=NAME nor unsealed. Write a comma that is part of PATH twice.`,
      )
    }
    tag = word.slice('tag='.length)
  }
  if (path === '')
    throw new UserError(`--listen ${text}: the path is missing; use vhost-user:PATH[,tag=NAME].`)
  if (!TAG.test(tag)) {
    throw new UserError(
      `--listen ${text}: a tag is 1 to 31 letters, digits, and any of . _ - (the guest mounts the device by it).`,
    )
  }
  return { kind: 'vhost-user', path: resolve(path), tag, ...(unsealed && { unsealed }) }
}

/**
 * The commands that mount what is served at an address, one for each of `exports`, below a comment that
 * says on which machine they are run.
 *
 * @param msize the largest message that the server takes, in bytes.
 */
export function mountLines(
  listen: Address,
  msize: number,
  exports: readonly Mountable[],
): string[] {
  if (listen.kind === 'virtiofs') return virtiofsLines(listen, exports)
  /** @param transport the options of the transport for the export of an index. */
  const mounts = (
    transport: (index: number) => string,
    source: string,
    largest: number = msize,
  ): string[] =>
    exports.map(({ name, readOnly }, index) => {
      const options = [transport(index), 'version=9p2000.L', `msize=${largest}`]
      if (name !== null) options.push(`aname=${name}`)
      if (readOnly) options.push('ro')
      return `mount -t 9p -o ${options.join(',')} ${source} /mnt${name === null ? '' : `/${name}`}`
    })
  if (listen.kind === 'tcp') {
    const { host, port } = listen
    const transport = (): string => `trans=tcp,port=${port}`
    const lines = [`# At ${host}:`, ...mounts(transport, host)]
    if (!host.startsWith('127.')) return lines
    return [...lines, "# In a guest on QEMU's user network:", ...mounts(transport, HOST)]
  }
  if (listen.kind === 'vhost-user') {
    const { path, tag } = listen
    return [
      '# In a guest whose QEMU (tested: 11.1; 10.0 and 7.2 cannot) has these arguments; -m and size= may be larger:',
      ...vhostUserArguments(path, tag, exports.length).map((line) => `#   ${line}`),
      ...mounts(() => 'trans=virtio', tag, Math.min(msize, VIRTIO_MSIZE)),
    ]
  }
  return [
    '# In a guest whose QEMU has these arguments:',
    ...guestfwdArguments(listen.path, exports.length).map((line) => `#   ${line}`),
    ...mounts((index) => `trans=tcp,port=${PORT + index}`, EXPORT_ADDRESS),
    '# On this machine:',
    ...mounts(() => 'trans=unix', listen.path),
  ]
}

/** One port for each mount, since QEMU makes one connection for each guestfwd. */
function guestfwdArguments(path: string, mounts: number): string[] {
  const ports = Array.from({ length: mounts }, (_, index) => PORT + index)
  const forwards = ports.map((port) => `guestfwd=tcp:${EXPORT_ADDRESS}:${port}-chardev:p${port}`)
  return [
    ...ports.map((port) => `-chardev socket,id=p${port},path=${value(path)}`),
    `-device virtio-net-pci,netdev=n9 -netdev user,id=n9,restrict=on,${forwards.join(',')}`,
  ]
}

/**
 * One device for each mount, since a device has one session. All devices have the same tag: the guest's kernel mounts
 * the first that is free.
 */
function vhostUserArguments(path: string, tag: string, mounts: number): string[] {
  const size = '1G'
  const memory = sharedMemory(size)
  const ids = Array.from({ length: mounts }, (_, index) => `${tag}-${index}`)
  return [
    `-m ${size} -object ${memory.object} -machine q35,${memory.machine}`,
    ...ids.map(
      (id) =>
        `-chardev socket,id=p-${id},path=${value(path)} -device ${vhostUserDevice(tag)},chardev=p-${id}`,
    ),
  ]
}

/** The port that IANA has assigned to 9P. */
const PORT = 564

/** The host's address in QEMU's user network. */
const HOST = '10.0.2.2'
