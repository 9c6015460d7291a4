/** An entry of an archive, with whatever a hostile guest likes to put into it. */
export interface TarEntry {
  readonly path: string
  /** The type flag of tar(5). Default: '0', a file. */
  readonly flag?: string
  readonly mode?: number
  readonly target?: string
  readonly content?: Buffer | string
  /** The size that the header tells. Default: the content's. */
  readonly size?: number
  readonly mtime?: number
}

/** An archive in GNU's old format, as busybox writes it. Long names are not cut into entries of their own. */
export function tarArchive(...entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([...entries.map(tarEntry), Buffer.alloc(1024)])
}

/** One entry: header and content. */
export function tarEntry({
  path,
  flag = '0',
  mode = 0o644,
  target = '',
  content = '',
  size,
  mtime = 1_000_000_000,
}: TarEntry): Buffer {
  const bytes = Buffer.from(content)
  const header = Buffer.alloc(512)
  header.write(path, 0, 100, 'latin1')
  const octal = (at: number, width: number, value: number): void => {
    header.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1')
  }
  octal(100, 8, mode)
  octal(108, 8, 0)
  octal(116, 8, 0)
  octal(124, 12, size ?? bytes.length)
  octal(136, 12, mtime)
  header.write(flag, 156, 'latin1')
  header.write(target, 157, 100, 'latin1')
  header.write('ustar  \0', 257, 'latin1')
  return Buffer.concat([sealed(header), bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)])
}

/** A header with the right sum of its bytes. */
export function sealed(header: Buffer): Buffer {
  header.fill(' ', 148, 156)
  const sum = header.reduce((all, byte) => all + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return header
}
