import { resolve } from 'node:path'
import { EXPORT_ADDRESS, VIRTIO_MSIZE } from '../guest/mount.ts'
import { value } from '../machine/devices/device.ts'
import { sharedMemory, vhostUserDevice } from '../machine/devices/vhost-user.ts'
import type { Listen } from '../server/share.ts'
import { UserError } from './user-error.ts'
import { splitAtCommas } from './values.ts'

/** The tag of a vhost-user device that is given none. */
export const DEFAULT_TAG = 'lowerdir'

/** A tag that needs no quoting, neither for a shell nor for QEMU, and is as long as QEMU's own may be. */
const TAG = /^[\w.-]{1,31}$/

/**
 * `unix:PATH`, `vhost-user:PATH[,tag=NAME]` or `tcp:[HOST:]PORT`.
 *
 * @param remote whether addresses that other machines can reach are allowed.
 */
export function parseListen(text: string, remote: boolean): Listen {
  const [, kind, rest = ''] = /^(unix|vhost-user|tcp):(.+)$/.exec(text) ?? []
  if (kind === 'unix') return { kind, path: resolve(rest) }
  if (kind === 'vhost-user') return parseVhostUser(text, rest)
  const [, host = '127.0.0.1', port] = /^(?:([\d.]+|localhost):)?(\d+)$/.exec(rest) ?? []
  if (kind !== 'tcp' || port === undefined || Number(port) > 65535) {
    throw new UserError(
      `--listen ${text}: say unix:PATH, vhost-user:PATH or tcp:[HOST:]PORT, HOST being an IPv4 address.`,
    )
  }
  const address = host === 'localhost' ? '127.0.0.1' : host
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(address))
    throw new UserError(`--listen ${text}: ${host} is not an IPv4 address.`)
  if (!address.startsWith('127.') && !remote) {
    throw new UserError(
      `--listen ${text} would let other machines in, and 9P knows no passwords. ` +
        'Say --allow-other-machines as well if that is what you want.',
    )
  }
  return { kind, host: address, port: Number(port) }
}

/** `PATH[,tag=NAME]`. A comma of PATH itself is written twice. */
function parseVhostUser(text: string, rest: string): Listen {
  const [path = '', ...words] = splitAtCommas(rest)
  let tag = DEFAULT_TAG
  for (const word of words) {
    if (!word.startsWith('tag=')) {
      throw new UserError(
        `--listen ${text}: ${word || 'nothing'} is not tag=NAME. A comma of PATH's own is written twice.`,
      )
    }
    tag = word.slice('tag='.length)
  }
  if (path === '') throw new UserError(`--listen ${text}: say vhost-user:PATH[,tag=NAME].`)
  if (!TAG.test(tag)) {
    throw new UserError(
      `--listen ${text}: a tag is 1 to 31 letters, digits, and any of . _ - which a guest mounts it by.`,
    )
  }
  return { kind: 'vhost-user', path: resolve(path), tag }
}

/** What can be mounted: all there is without a name, or one of several. */
export interface Mountable {
  /** The mount option aname. */
  readonly name: string | null
  readonly readOnly: boolean
}

/**
 * How to mount what listens there: the commands, one for each of `exports`, with a comment above that
 * says where.
 *
 * @param msize the largest message that the server takes, in bytes.
 */
export function mountLines(listen: Listen, msize: number, exports: readonly Mountable[]): string[] {
  /** @param transport the options that lead to the export of that index. */
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
      '# In a guest whose QEMU (11.1 was tried; 10.0 and 7.2 cannot) has these arguments, and as much memory as you like:',
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

/** One port for each mount: a guestfwd is one connection, whoever makes it. */
function guestfwdArguments(path: string, mounts: number): string[] {
  const ports = Array.from({ length: mounts }, (_, index) => PORT + index)
  const forwards = ports.map((port) => `guestfwd=tcp:${EXPORT_ADDRESS}:${port}-chardev:p${port}`)
  return [
    ...ports.map((port) => `-chardev socket,id=p${port},path=${value(path)}`),
    `-device virtio-net-pci,netdev=n9 -netdev user,id=n9,restrict=on,${forwards.join(',')}`,
  ]
}

/**
 * One device for each mount, since a device has one session. They all have the same tag: a mount takes the first
 * of them that is free.
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

/** 9P's own (IANA). */
const PORT = 564

/** How guests of QEMU's user network call the machine that they run on. */
const HOST = '10.0.2.2'
