import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Client } from '../../src/9p/client.ts'
import { errno } from '../../src/sys/errno.ts'
import { limits, payloadBytes } from '../../src/9p/index.ts'
import { attached, connected } from '../support/directory-server.ts'
import { FuseClient } from '../support/fuse/client.ts'
import { DeviceChannel, fsDevice } from '../support/fuse/device-channel.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { VirtualDevice } from '../support/vhost-user/virtual-device.ts'
import { Cli, lowerdir, processesOf } from '../support/vm-cli.ts'

let folder: string
let shared: string
let path: string

beforeEach(() => {
  folder = temporaryDirectory()
  shared = join(folder, 'shared')
  mkdirSync(shared)
  writeFileSync(join(shared, 'file'), 'content')
  path = join(folder, 'socket')
})

/** A server that listens on the socket. */
function serving(...args: readonly string[]): Promise<Cli> {
  return servingWhen(`trans=unix,`, '--listen', `unix:${path}`, ...args)
}

/** @param words of the last line that it prints. */
async function servingWhen(words: string, ...args: readonly string[]): Promise<Cli> {
  const cli = Cli.start(['serve', shared, ...args])
  await cli.printed(words)
  return cli
}

async function clientAt(where: Parameters<typeof connected>[0]): Promise<Client> {
  return attached(await connected(where))
}

/** A client of one of several exports. */
async function mounted(aname: string): Promise<Client> {
  return attached(await connected({ kind: 'unix', path }), undefined, aname)
}

async function readFile(client: Client): Promise<string> {
  await client.call.walk({ fid: 0, newfid: 1, names: ['file'] })
  await client.call.lopen({ fid: 1, flags: 0 })
  const { data } = await client.call.read({ fid: 1, offset: 0, count: 100 })
  return payloadBytes(data).toString()
}

describe('lowerdir serve', () => {
  it('serves a directory on a socket for this user only, and says how to mount it', async () => {
    await using cli = await serving()
    expect(statSync(path).mode & 0o7777).toBe(0o600)
    expect(cli.stdout).toContain('\nmount -t 9p -o trans=tcp,port=564,version=9p2000.L,msize=')
    expect(cli.stdout).toMatch(new RegExp(`\\nmount -t 9p -o trans=unix,.* ${path} /mnt\\n$`))
    expect(cli.stderr).toBe(`lowerdir: serving ${shared}.\n`)
    const client = await clientAt({ kind: 'unix', path })
    expect(await readFile(client)).toBe('content')
    await client.call.mkdir({ dfid: 0, name: 'made', mode: 0o755, gid: 0 })
    expect(existsSync(join(shared, 'made'))).toBe(true)
    client.close()
  })

  it('--read-only allows no changes, --owner sets the owner that is shown, --limit sets limits', async () => {
    await using cli = await serving('--read-only', '--owner=7:8', '--limit=msize=8192')
    expect(cli.stderr).toContain('read-only')
    expect(cli.stdout).toContain('msize=8192,ro ')
    const client = await clientAt({ kind: 'unix', path })
    expect(client.msize).toBe(8192)
    const refused = client.call.mkdir({ dfid: 0, name: 'made', mode: 0o755, gid: 0 })
    await expect(refused).rejects.toMatchObject({ errno: errno.EROFS })
    expect(await client.call.getattr({ fid: 0, mask: 0x7ff })).toMatchObject({ uid: 7, gid: 8 })
    expect(await readFile(client)).toBe('content')
    client.close()
  })

  it('--export serves several directories, each with its own policy', async () => {
    const other = join(folder, 'other, too')
    mkdirSync(other)
    const options = ['--export', `src=${shared},ro,owner=7:8`]
    options.push('--export', `out=${other.replace(',', ',,')}`, '--listen', `unix:${path}`)
    await using cli = Cli.start(['serve', ...options, '--sandbox', 'auto', '--verbose'])
    await cli.printed('aname=out /')
    expect(cli.stderr).toContain(`lowerdir: serving ${shared} as src read-only.\n`)
    expect(cli.stderr).toContain(`lowerdir: serving ${other} as out.\n`)
    for (const whose of ['', 'src: ', 'out: ']) {
      expect(cli.stderr).toMatch(new RegExp(`^lowerdir: ${whose}sandbox: no_new_privs`, 'm'))
    }
    expect(cli.stdout).toContain(`,aname=src,ro ${path} /mnt/src\n`)
    const [client, out] = [await mounted('src'), await mounted('out')]
    await expect(mounted('/')).rejects.toMatchObject({ errno: errno.ENOENT })
    expect(await readFile(client)).toBe('content')
    expect(await client.call.getattr({ fid: 0, mask: 0x7ff })).toMatchObject({ uid: 7, gid: 8 })
    const mkdir = { name: 'made', mode: 0o755, gid: 0 }
    await expect(client.call.mkdir({ dfid: 0, ...mkdir })).rejects.toMatchObject({
      errno: errno.EROFS,
    })
    await out.call.mkdir({ dfid: 0, ...mkdir })
    expect(existsSync(join(other, 'made'))).toBe(true)
    client.close()
    out.close()
  })

  it('--export has a process for each, and the others go on when one ends', async () => {
    const other = join(folder, 'other')
    mkdirSync(other)
    const exports = [`--export=src=${shared}`, `--export=out=${other}`, `--listen=unix:${path}`]
    await using cli = Cli.start(['serve', ...exports])
    await cli.printed('aname=out /')
    const src = await mounted('src')
    const [server = -1] = processesOf(`main.cjs\0${other}`)
    process.kill(server, 'SIGKILL')
    await cli.printed(
      `lowerdir: The server of ${other} (process ${server}) has ended by itself, by SIGKILL. Its ` +
        'clients are disconnected, and a mount of out fails (EIO) until serve is started again.\n',
    )
    await vi.waitFor(() => expect(mounted('out')).rejects.toMatchObject({ errno: errno.EIO }))
    expect(await readFile(src)).toBe('content')
    src.close()
  })

  it('--one-process serves all exports in one, and clients may attach to several', async () => {
    const exports = [`--export=a=${shared}`, `--export=b=${folder}`, `--listen=unix:${path}`]
    await using cli = Cli.start(['serve', ...exports, '--one-process'])
    await cli.printed('aname=b ')
    expect(processesOf(`main.cjs\0${shared} ${folder}`)).toHaveLength(1)
    const client = await mounted('a')
    await client.call.attach({ fid: 5, afid: limits.NOFID, uname: '', aname: 'b', uid: 0 })
    client.close()
  })

  it('listens in several places, on TCP ports of this machine too', async () => {
    await using cli = await servingWhen(
      '10.0.2.2 /mnt',
      `--listen=unix:${path}`,
      '--listen=tcp:0',
      '--verbose',
    )
    const port = Number(/trans=tcp,port=(\d+),.* 127\.0\.0\.1 /.exec(cli.stdout)?.[1])
    const client = await clientAt({ kind: 'tcp', host: '127.0.0.1', port })
    expect(await readFile(client)).toBe('content')
    client.close()
    await cli.printed('closed by the client')
    const taken = await lowerdir(['serve', shared, `--listen=tcp:${port}`])
    expect([taken.status, taken.stdout.toString()]).toEqual([125, ''])
    expect(taken.stderr).toBe(
      `lowerdir: ${shared} cannot be served at tcp:127.0.0.1:${port}: another process listens on port ${port}. ` +
        'Choose another, or 0 for any free one.\n',
    )
  })

  it('serves virtio-fs, and says how each VMM gets it and how a guest mounts it', async () => {
    const options = ['--read-only', `--listen=virtiofs:${path},tag=src,cache=loose`]
    await using cli = await servingWhen('mount -t virtiofs', ...options)
    expect(cli.stdout).toContain(`path=${path} -device vhost-user-fs-pci,chardev=fs-src,tag=src,`)
    expect(cli.stdout).toMatch(/\nmount -t virtiofs -o ro,noatime src \/mnt\n$/)
    const guest = (): Promise<FuseClient> =>
      FuseClient.connect(new DeviceChannel(new VirtualDevice(path, fsDevice()).start()))
    const [first, second] = [await guest(), await guest()]
    for (const each of [first, second]) {
      const { entry } = await each.call.lookup({ name: 'file' })
      // Files of a read-only tree are opened without asking.
      const { data } = await each.call.read({ fh: 0, size: 100 }, { nodeid: entry.nodeid })
      expect(payloadBytes(data).toString()).toBe('content')
      const mkdir = each.call.mkdir({ name: 'made', mode: 0o755 })
      await expect(mkdir).rejects.toMatchObject({ errno: errno.EROFS })
      each.close()
    }
  })

  it('serves the export that an address for virtio-fs names', async () => {
    const exports = [`--export=src=${shared},ro`, `--export=out=${folder}`]
    const listen = `--listen=virtiofs:${path},export=out`
    await using cli = Cli.start(['serve', ...exports, listen])
    await cli.printed('mount -t virtiofs lowerdir /mnt/out\n')
    const guest = await FuseClient.connect(
      new DeviceChannel(new VirtualDevice(path, fsDevice()).start()),
    )
    await guest.call.mkdir({ name: 'made', mode: 0o755 })
    expect(existsSync(join(folder, 'made'))).toBe(true)
    guest.close()
  })

  it('serves one client over its standard streams', async () => {
    await using cli = Cli.start(['serve', shared, '--listen=stdio'], { input: null })
    const { stdin, stdout } = cli.child
    const stream = Duplex.from({ readable: stdout!, writable: stdin! })
    const client = await attached(stream)
    expect(await readFile(client)).toBe('content')
    stdin!.end()
    expect((await cli.ended).status).toBe(0)
  })

  it('shows only the files that --only names, on sockets and standard streams', async () => {
    const list = join(folder, 'list')
    writeFileSync(list, '/listed\n')
    for (const name of ['listed', 'other', 'file2']) writeFileSync(join(shared, name), '')
    const view = ['--only', 'file*', '--only-from', list, '--hide', 'file2']
    const found = async (client: Client): Promise<string[]> => {
      const names: string[] = []
      for (const name of ['file', 'file2', 'listed', 'other']) {
        const { call } = client
        await call.walk({ fid: 0, newfid: 5, names: [name] }).then(
          () => names.push(name),
          (error: unknown) => expect(error).toMatchObject({ errno: errno.ENOENT }),
        )
        if (names.at(-1) === name) await call.clunk({ fid: 5 })
      }
      return names
    }
    await using server = await serving(...view)
    const client = await clientAt({ kind: 'unix', path })
    expect(await found(client)).toEqual(['file', 'listed'])
    client.close()
    expect(server.stderr).toBe(`lowerdir: serving ${shared}.\n`)
    await using cli = Cli.start(['serve', shared, '--listen=stdio', ...view], { input: null })
    const { stdin, stdout } = cli.child
    const stream = Duplex.from({ readable: stdout!, writable: stdin! })
    expect(await found(await attached(stream))).toEqual(['file', 'listed'])
    stdin!.end()
    expect((await cli.ended).status).toBe(0)
  })

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('ends well by %s', async (signal) => {
    await using cli = await serving()
    const socket = await connected({ kind: 'unix', path })
    const closed = new Promise((resolve) => socket.once('close', resolve))
    cli.child.kill(signal)
    await closed
    const { status, stderr } = await cli.ended
    expect([status, stderr]).toEqual([0, `lowerdir: serving ${shared}.\n`])
    expect(existsSync(path)).toBe(false)
  })

  it('takes the socket of a killed server, and of no other', async () => {
    await using first = await serving()
    first.child.kill('SIGKILL')
    await first.ended
    expect(existsSync(path)).toBe(true)
    await using second = await serving()
    expect(second.stderr).toBe(`lowerdir: serving ${shared}.\n`)
    const third = await lowerdir(['serve', shared, '--listen', `unix:${path}`])
    expect(third.status).toBe(125)
    expect(third.stderr).toContain(': another process listens there.')
    const client = await clientAt({ kind: 'unix', path })
    expect(await readFile(client)).toBe('content')
    client.close()
  })
})

describe('lowerdir serve fails and says what to do', () => {
  it.each([
    [
      'without a directory',
      () => [],
      'serve takes one directory, or several with --export. `lowerdir serve --help`',
    ],
    ['with two', () => [shared, shared, '--listen=tcp:0'], 'serve takes one directory, or several'],
    [
      'without an address',
      () => [shared],
      'serve needs an address for its clients: add --listen with unix:PATH, virtiofs:PATH[,OPTION…], vhost-user:PATH[,tag=NAME][,unsealed], tcp',
    ],
    ['for a missing directory', () => ['/no/such', '--listen=tcp:0'], 'no such file or directory'],
    [
      'for a file',
      () => [join(shared, 'file'), '--listen=tcp:0'],
      'cannot be served at tcp:0: it is not a directory.',
    ],
    [
      'for a view of the kernel',
      () => ['/proc', '--listen=tcp:0'],
      'it is not something that can be served',
    ],
    [
      'for a socket where there is no folder',
      () => [shared, '--listen=tcp:0', '--listen=unix:/missing/folder/socket'],
      'cannot be served at unix:/missing/folder/socket: there is no folder /missing/folder. Make it',
    ],
    [
      'for a socket below a file',
      () => [shared, `--listen=unix:${shared}/file/a/socket`],
      'shared/file is not a folder.',
    ],
    [
      'for a socket’s path that is too long',
      () => [shared, `--listen=unix:${folder}/${'x'.repeat(108)}`],
      'that of a unix socket has at most 107. Choose a shorter one.',
    ],
    [
      'for a place where a file is',
      () => [shared, `--listen=unix:${join(shared, 'file')}`],
      'shared/file: a file that is not a socket is there, and it is not removed. Remove it, or',
    ],
    [
      'for an address of another machine',
      () => [shared, '--listen=tcp:192.0.2.1:0', '--allow-other-machines'],
      'this machine does not have the address 192.0.2.1.',
    ],
    [
      'for an address that other machines reach',
      () => [shared, '--listen=tcp:0.0.0.0:0'],
      'Add --allow-other-machines if you want that.',
    ],
    [
      'for an odd address',
      () => [shared, '--listen=ftp:1'],
      '--listen ftp:1: use unix:PATH, virtiofs:PATH[,OPTION…], vhost-user:PATH[,tag=NAME][,unsealed], tcp:[HOST:]PORT or stdio. HOST is an IPv4 ' +
        'address or localhost (default 127.0.0.1), and PORT is 0 to 65535 (0: any free port).',
    ],
    [
      'for stdio and another address',
      () => [shared, '--listen=stdio', '--listen=tcp:0'],
      '--listen stdio cannot be combined with another address',
    ],
    [
      'for an address of virtio-fs that does not say which export',
      () => [`--export=a=${shared}`, `--export=b=${shared}`, '--listen=virtiofs:/tmp/x'],
      '--listen virtiofs:/tmp/x: a device has one export: say which, with one of export=a, export=b.',
    ],
    [
      'for too small a message',
      () => [shared, '--listen=tcp:0', '--limit=msize=100'],
      '--limit msize 100 is not a whole number from 4096 to 1048576',
    ],
    [
      'for a limit that there is not',
      () => [shared, '--listen=tcp:0', '--limit=speed=1'],
      '--limit speed=1: use NAME=NUMBER, where NAME is one of connections, msize, fids',
    ],
    [
      'for a directory beside exports',
      () => [shared, '--export=a=/srv', '--listen=tcp:0'],
      'serve takes a directory or --export, not both: add --export NAME=',
    ],
    [
      'for an export that is missing',
      () => ['--export=a=/no/such', `--export=b=${shared}`, '--listen=tcp:0'],
      'The export a, /no/such cannot be served: there is no such file or directory.',
    ],
    [
      'for an odd sandbox',
      () => [shared, '--listen=tcp:0', '--sandbox=on'],
      '--sandbox on: choose one of off, auto, require.',
    ],
    [
      'for a sandbox at stdio',
      () => [shared, '--listen=stdio', '--sandbox=require'],
      'a server at stdio has no process of its own that could be confined.',
    ],
    [
      'for an odd pattern',
      () => [shared, '--listen=tcp:0', '--hide=a/../b'],
      '--hide: the pattern "a/../b": .. is no name.',
    ],
    [
      'for a missing list of patterns',
      () => [shared, '--listen=tcp:0', `--only-from=${folder}/none`],
      'none cannot be read: there is no such file or directory.',
    ],
    ['for an odd owner', () => [shared, '--listen=tcp:0', '--owner=me'], 'use UID:GID in numbers'],
  ])('%s', async (_case, args, words) => {
    const { status, stdout, stderr } = await lowerdir(['serve', ...args()])
    expect([status, stdout.toString()]).toEqual([125, ''])
    expect(stderr).toMatch(/^lowerdir: .*\n$/)
    expect(stderr).toContain(words)
  })

  it('unless other machines are allowed', async () => {
    const args = ['--listen=tcp:0.0.0.0:0', '--allow-other-machines']
    await using cli = await servingWhen(' 0.0.0.0 /mnt', ...args)
    expect(cli.stdout).toMatch(/trans=tcp,port=\d+,/)
  })
})
