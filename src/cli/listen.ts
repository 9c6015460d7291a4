import { resolve } from 'node:path'
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

/** The guest's command to mount what listens there. */
export function mountLine(listen: Listen, msize: number, readOnly: boolean): string {
  const common = `version=9p2000.L,msize=${msize}${readOnly ? ',ro' : ''}`
  return listen.kind === 'unix'
    ? `mount -t 9p -o trans=unix,${common} ${listen.path} /mnt`
    : `mount -t 9p -o trans=tcp,port=${listen.port},${common} ${listen.host} /mnt`
}
