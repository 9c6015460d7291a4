import { resolve } from 'node:path'
import { EXPORT_ADDRESS } from '../guest/mount.ts'
import type { Listen } from '../transport/engine/share.ts'
import { UserError } from './failure.ts'

/**
 * `unix:PATH` or `tcp:[HOST:]PORT`.
 *
 * @param remote whether addresses that other machines can reach are allowed.
 */
export function parseListen(text: string, remote: boolean): Listen {
  const [, kind, rest = ''] = /^(unix|tcp):(.+)$/.exec(text) ?? []
  if (kind === 'unix') return { kind, path: resolve(rest) }
  const [, host = '127.0.0.1', port] = /^(?:([\d.]+|localhost):)?(\d+)$/.exec(rest) ?? []
  if (kind !== 'tcp' || port === undefined || Number(port) > 65535) {
    throw new UserError(
      `--listen ${text}: say unix:PATH or tcp:[HOST:]PORT, HOST being an IPv4 address.`,
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

/** What can be mounted: all there is without a name, or one of several. */
export interface Mountable {
  /** The mount option aname. */
  readonly name: string | null
  readonly readOnly: boolean
}

/**
 * How to mount what listens there: the commands, one for each of `exports`, with a comment above that
 * says where.
 */
export function mountLines(listen: Listen, msize: number, exports: readonly Mountable[]): string[] {
  /** @param transport the options that lead to the export of that index. */
  const mounts = (transport: (index: number) => string, source: string): string[] =>
    exports.map(({ name, readOnly }, index) => {
      const options = [transport(index), 'version=9p2000.L', `msize=${msize}`]
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
  return [
    '# In a guest whose QEMU has these arguments:',
    ...qemuArguments(listen.path, exports.length).map((line) => `#   ${line}`),
    ...mounts((index) => `trans=tcp,port=${PORT + index}`, EXPORT_ADDRESS),
    '# On this machine:',
    ...mounts(() => 'trans=unix', listen.path),
  ]
}

/** One port for each mount: a guestfwd is one connection, whoever makes it. */
function qemuArguments(path: string, mounts: number): string[] {
  const ports = Array.from({ length: mounts }, (_, index) => PORT + index)
  const forwards = ports.map((port) => `guestfwd=tcp:${EXPORT_ADDRESS}:${port}-chardev:p${port}`)
  return [
    ...ports.map((port) => `-chardev socket,id=p${port},path=${path.replaceAll(',', ',,')}`),
    `-device virtio-net-pci,netdev=n9 -netdev user,id=n9,restrict=on,${forwards.join(',')}`,
  ]
}

/** 9P's own (IANA). */
const PORT = 564

/** How guests of QEMU's user network call the machine that they run on. */
const HOST = '10.0.2.2'
