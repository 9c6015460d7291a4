import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { init } from '../../src/fuse/wire/flags.ts'
import { errno } from '../../src/sys/errno.ts'
import { discard } from '../../src/sys/files.ts'
import { payloadBytes } from '../../src/sys/memory.ts'
import { listenTcp, listenUnix } from '../../src/sys/sockets.ts'
import { protocolFeature } from '../../src/transport/vhost-user/requests.ts'
import { FuseClient } from '../support/fuse/client.ts'
import { DeviceChannel, fsDevice } from '../support/fuse/device-channel.ts'
import { linuxInit, payload } from '../support/fuse/requests.ts'
import { Stage } from '../support/vm-stage.ts'
import { ordinaryId } from '../support/ordinary-user.ts'
import { needsRoot, temporaryDirectory } from '../support/temporary.ts'
import { Frontend } from '../support/vhost-user/frontend.ts'
import { type DeviceOptions, VirtualDevice } from '../support/vhost-user/virtual-device.ts'
import { Cli, type CliOptions, MAIN, lowerdir } from '../support/vm-cli.ts'

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

/** A server at the socket that can be connected to. */
async function serving(...args: readonly string[]): Promise<Cli> {
  const cli = Cli.program('virtiofsd', ['--socket-path', path, '--shared-dir', shared, ...args])
  await cli.printed('virtiofsd: serving ')
  return cli
}

/** A server at a socket that is its descriptor 3. */
async function servingGiven(args: readonly string[], options: CliOptions): Promise<Cli> {
  const cli = Cli.start(['virtiofsd', ...args, '--shared-dir', shared], options)
  await cli.printed('virtiofsd: serving ')
  return cli
}

function device(options: Partial<DeviceOptions> = {}): VirtualDevice {
  return new VirtualDevice(path, { ...fsDevice(), ...options })
}

/** A guest that has mounted the directory. */
function mounted(options?: Partial<DeviceOptions>): Promise<FuseClient> {
  return FuseClient.connect(new DeviceChannel(device(options).start()))
}

async function readFile(guest: FuseClient): Promise<string> {
  const { entry } = await guest.call.lookup({ name: 'file' })
  const { fh } = await guest.call.open({}, { nodeid: entry.nodeid })
  const { data } = await guest.call.read({ fh, size: 100 }, { nodeid: entry.nodeid })
  return payloadBytes(data).toString()
}

async function makeFile(guest: FuseClient, name: string): Promise<number> {
  const { entry, fh } = await guest.call.create({ name, flags: 2, mode: 0o100644 })
  await guest.call.write({ fh, data: payload('written') }, { nodeid: entry.nodeid })
  return entry.nodeid
}

/** What the server agrees to of all that Linux offers. */
async function agreed(): Promise<bigint> {
  const guest = new FuseClient(new DeviceChannel(device().start()))
  const { flags, flags2 } = await guest.call.init(linuxInit)
  guest.close()
  return BigInt(flags) | (BigInt(flags2) << 32n)
}

describe('virtiofsd', () => {
  it('serves one front end, and ends well when that has gone', async () => {
    await using cli = await serving()
    expect(statSync(path).mode & 0o7777).toBe(0o600)
    expect(readFileSync(`${path}.pid`, 'utf8')).toBe(`${cli.child.pid}\n`)
    const guest = await mounted()
    expect(await readFile(guest)).toBe('content')
    await makeFile(guest, 'made')
    expect(readFileSync(join(shared, 'made'), 'utf8')).toBe('written')
    guest.close()
    const { status, stdout, stderr } = await cli.end()
    expect([status, stdout.toString()]).toEqual([0, ''])
    expect(stderr).toMatch(
      /^virtiofsd: sandbox: no_new_privs.*\nvirtiofsd: serving .*\nvirtiofsd: client 1: connected\nvirtiofsd: client 1: closed by the frontend\n$/,
    )
    expect([existsSync(path), existsSync(`${path}.pid`)]).toEqual([false, false])
  })

  it('ends when the front end dies before its device was started', async () => {
    await using cli = await serving()
    device().close()
    expect((await cli.end()).status).toBe(0)
  })

  it('goes on when a program has only looked whether it listens', async () => {
    await using cli = await serving()
    const socket = connect(path)
    socket.destroy()
    await cli.printed('client 1: closed by the frontend')
    const guest = await mounted()
    expect(await readFile(guest)).toBe('content')
    guest.close()
    expect((await cli.end()).status).toBe(0)
  })

  it('lets no second front end in', async () => {
    await using cli = await serving()
    const guest = await mounted()
    expect(() => device()).toThrow(/GET_FEATURES was answered|ECONNRESET|EPIPE/)
    expect(await readFile(guest)).toBe('content')
    await cli.printed('its client is there, and another one is not let in')
    guest.close()
    expect((await cli.end()).status).toBe(0)
  })

  it('serves at a socket that it is given, and leaves its file alone', async () => {
    const fd = listenUnix(path)
    await using cli = await servingGiven(['--fd=3'], { inherits: [fd] })
    discard(fd)
    expect(existsSync(`${path}.pid`)).toBe(false)
    const guest = await mounted()
    expect(await readFile(guest)).toBe('content')
    guest.close()
    expect((await cli.end()).status).toBe(0)
    expect(existsSync(path)).toBe(true)
  })

  it('takes over what has connected before it was started', async () => {
    const fd = listenUnix(path)
    const early = new Frontend(path)
    early.send('GET_FEATURES')
    await using cli = await servingGiven(['--fd', '3', '--log-level', 'info'], { inherits: [fd] })
    discard(fd)
    expect(early.answer()?.payload.length).toBe(8)
    early.close()
    expect((await cli.end()).status).toBe(0)
  })

  it('accepts memory that its front end could truncate, since nobody else is served', async () => {
    await using cli = await serving()
    const guest = await mounted({ seals: 'none' })
    expect(await readFile(guest)).toBe('content')
    guest.close()
    expect((await cli.end()).status).toBe(0)
  })

  it.each([
    // Half of them are for the guest, and a file that is open takes two.
    [1_048_576, 37],
    [60, 15],
  ])(
    '--rlimit-nofile=%i of a process with 150 leaves the guest %i open files',
    async (given, most) => {
      const names = Array.from({ length: 200 }, (_, i) => `file ${i}`)
      for (const name of names) writeFileSync(join(shared, name), name)
      const args = ['virtiofsd', '--socket-path', path, '--shared-dir', shared]
      await using cli = Cli.limited(150, [...args, `--rlimit-nofile=${given}`])
      await cli.printed('virtiofsd: serving ')
      const guest = await mounted()
      const opened = await Promise.allSettled(
        names.map(async (name) => {
          const { entry } = await guest.call.lookup({ name })
          await guest.call.open({}, { nodeid: entry.nodeid })
        }),
      )
      const refused = opened.filter(({ status }) => status === 'rejected')
      expect(names.length - refused.length).toBeGreaterThan(most / 2)
      expect(names.length - refused.length).toBeLessThanOrEqual(most)
      guest.close()
      expect((await cli.end()).status).toBe(0)
    },
  )

  it('--readonly allows no changes', async () => {
    await using cli = await serving('--readonly')
    expect(cli.stderr).toContain(`virtiofsd: serving ${shared} read-only\n`)
    const guest = await mounted()
    expect(await readFile(guest)).toBe('content')
    await expect(makeFile(guest, 'made')).rejects.toMatchObject({ errno: errno.EROFS })
    guest.close()
    await cli.end()
  })

  it('has extended attributes only with --xattr, and tells the guest’s kernel once', async () => {
    const setAndGet = async (): Promise<string> => {
      const guest = await mounted()
      try {
        const nodeid = await makeFile(guest, 'made')
        await guest.call.setxattr({ name: 'user.a', value: payload('b') }, { nodeid })
        const { data } = await guest.call.getxattr({ name: 'user.a', size: 10 }, { nodeid })
        return payloadBytes(data).toString()
      } finally {
        guest.close()
      }
    }
    {
      await using cli = await serving()
      await expect(setAndGet()).rejects.toMatchObject({ errno: errno.ENOSYS })
      await cli.end()
    }
    await using cli = await serving('--xattr')
    expect(await setAndGet()).toBe('b')
    await cli.end()
  })

  it('keeps locks and ACLs to itself only where that was asked for', async () => {
    {
      await using cli = await serving()
      expect((await agreed()) & (init.POSIX_LOCKS | init.FLOCK_LOCKS | init.POSIX_ACL)).toBe(0n)
      await cli.end()
    }
    await using cli = await serving('-o', 'flock,posix_lock,writeback')
    const flags = init.POSIX_LOCKS | init.FLOCK_LOCKS | init.WRITEBACK_CACHE
    expect((await agreed()) & flags).toBe(flags)
    await cli.end()
  })

  it('--tag offers the tag to front ends that ask for it, and none is offered without', async () => {
    const isOffered = (one: VirtualDevice): boolean => {
      const features = one.frontend.ask('GET_PROTOCOL_FEATURES').readBigUInt64LE()
      return (features & protocolFeature.CONFIG) !== 0n
    }
    {
      await using cli = await serving()
      using one = device()
      expect(isOffered(one)).toBe(false)
      one.close()
      await cli.end()
    }
    await using cli = await serving('--tag', 'work')
    using one = device()
    expect(isOffered(one)).toBe(true)
    one.close()
    await cli.end()
  })

  it('--translate-uid and --translate-gid change owners on the way', async () => {
    needsRoot('gives files away')
    chownSync(join(shared, 'file'), 1001, 100)
    await using cli = await serving(
      '--translate-uid=squash-guest:0:1001:4294967295',
      '--translate-uid=host:1001:1000:1',
      '--translate-gid=map:1000:100:1',
    )
    const guest = await mounted()
    const { entry } = await guest.call.lookup({ name: 'file' })
    expect(entry.attributes).toMatchObject({ uid: 1000, gid: 1000 })
    const made = { name: 'made', flags: 2, mode: 0o100644 }
    const { entry: other } = await guest.call.create(made, { uid: 5, gid: 1000 })
    expect(other.attributes).toMatchObject({ uid: 1000, gid: 1000 })
    expect(statSync(join(shared, 'made'))).toMatchObject({ uid: 1001, gid: 100 })
    guest.close()
    await cli.end()
  })

  it('--socket-group lets a group connect', async () => {
    needsRoot('gives the socket to a group')
    const [name = '', , id] = readFileSync('/etc/group', 'utf8').split('\n')[1]?.split(':') ?? []
    await using cli = await serving('--socket-group', name)
    expect(statSync(path)).toMatchObject({ gid: Number(id), mode: 0o140660 })
    cli.child.kill('SIGTERM')
    await cli.end()
  })

  it.each([
    ['SIGTERM', 1],
    ['SIGHUP', 1],
    ['SIGINT', 130],
  ] as const)('%s ends it with status %s, and nothing stays behind', async (signal, expected) => {
    await using cli = await serving()
    const guest = await mounted()
    cli.child.kill(signal)
    const { status, stderr } = await cli.end()
    expect([status, stderr.includes('error')]).toEqual([expected, false])
    expect([existsSync(path), existsSync(`${path}.pid`)]).toEqual([false, false])
    guest.close()
  })

  it('works for an ordinary user, to whom all files of the guest then belong', async () => {
    using stage = new Stage()
    chmodSync(folder, 0o755)
    chownSync(shared, ordinaryId, ordinaryId)
    const socket = join(stage.home, 'socket')
    path = socket
    const args = ['virtiofsd', '--socket-path', socket, '--shared-dir', shared]
    const maps = ['--uid-map=:0:65534:1:', '--gid-map=:0:65534:1:']
    await using cli = Cli.staged(stage.node([MAIN, ...args, ...maps]))
    await cli.printed('virtiofsd: serving ')
    expect(cli.stderr).toContain('warning: --uid-map, --gid-map: files that the guest makes belong')
    const guest = await mounted()
    await makeFile(guest, 'made')
    expect(statSync(join(shared, 'made'))).toMatchObject({ uid: ordinaryId, gid: ordinaryId })
    const { entry } = await guest.call.lookup({ name: 'made' })
    expect(entry.attributes).toMatchObject({ uid: 0, gid: 0 })
    guest.close()
    expect((await cli.end()).status).toBe(0)
  })
})

describe('virtiofsd says', () => {
  it('what it can do, in the JSON that libvirt looks for', async () => {
    const { status, stdout, stderr } = await lowerdir(['virtiofsd', '--print-capabilities'])
    expect([status, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout.toString())).toEqual({ type: 'fs', features: ['separate-options'] })
  })

  it('its version, as programs compare it', async () => {
    const { status, stdout } = await lowerdir(['virtiofsd', '--version'])
    expect(status).toBe(0)
    expect(stdout.toString()).toMatch(/^virtiofsd 1\.14\.\d+ \(lowerdir \d+\.\d+\.\d+\)\n$/)
  })

  it.each([
    [['--help'], 0],
    [[], 2],
  ])('its options for %j', async (args, expected) => {
    const { status, stdout, stderr } = await lowerdir(['virtiofsd', ...args])
    expect([status, stderr]).toEqual([expected, ''])
    expect(stdout.toString()).toContain('\n  --shared-dir <DIR>')
  })

  it('what is different, and nothing that was not asked for', async () => {
    const warned = ['--announce-submounts', '--syslog', '--log-level', 'warn']
    const args = ['--socket-path', path, '--shared-dir', shared, ...warned]
    await using cli = Cli.program('virtiofsd', args)
    await cli.printed('syslog')
    cli.child.kill('SIGTERM')
    const { stderr } = await cli.end()
    expect(stderr.split('\n')).toEqual([
      expect.stringMatching(/^virtiofsd: warning: mounts below the directory are not announced/),
      expect.stringMatching(/^virtiofsd: warning: the log is on standard error.*\.$/),
      '',
    ])
  })
})

describe('virtiofsd fails, and says why,', () => {
  it.each<[string, () => readonly string[], number, string]>([
    [
      'for an option that there is not',
      () => ['--frobnicate'],
      2,
      "virtiofsd: Unknown option '--frobnicate'. --help lists the options.\n",
    ],
    [
      'for what would be wrong to ignore',
      () => ['--socket-path', path, '--shared-dir', shared, '--xattrmap', ':map::user.x.:'],
      2,
      'virtiofsd: --xattrmap :map::user.x.:: names of extended attributes are not translated here.',
    ],
    [
      'for a directory that there is not',
      () => ['--socket-path', path, '--shared-dir', '/no/such'],
      1,
      'virtiofsd: error: The directory /no/such cannot be served: there is no such file or directory.\n',
    ],
    [
      'for a socket where there is no folder',
      () => ['--socket-path', '/no/such/socket', '--shared-dir', shared],
      1,
      'cannot be served at virtiofs:/no/such/socket: there is no folder /no/such.',
    ],
    [
      'for a file in the place of the socket',
      () => ['--socket-path', join(shared, 'file'), '--shared-dir', shared],
      1,
      'a file that is not a socket is there, and it is not removed.',
    ],
    [
      'for a group that there is not',
      () => ['--socket-path', path, '--socket-group', 'no such', '--shared-dir', shared],
      1,
      'virtiofsd: error: --socket-group no such: /etc/group has no such group.\n',
    ],
    [
      'for a descriptor that is none',
      () => ['--fd=9999', '--shared-dir', shared],
      1,
      'virtiofsd: error: --fd 9999 is no unix socket that listens. Bind and listen before',
    ],
    [
      'for a descriptor of a file',
      () => ['--fd=1', '--shared-dir', shared],
      1,
      '--fd 1 is no unix socket that listens.',
    ],
  ])('%s', async (_case, args, expected, words) => {
    const { status, stdout, stderr } = await lowerdir(['virtiofsd', ...args()])
    expect([status, stdout.toString()]).toEqual([expected, ''])
    expect(stderr).toContain(words)
    expect(existsSync(path)).toBe(false)
  })

  it('for a socket of another kind', async () => {
    const fd = listenTcp('127.0.0.1', 0)
    const args = ['virtiofsd', '--fd=3', '--shared-dir', shared]
    const { status, stderr } = await lowerdir(args, { inherits: [fd] })
    discard(fd)
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining('--fd 3 is no unix socket that listens.'),
    ])
  })

  it('not at all with --log-level off', async () => {
    const args = ['--socket-path', path, '--shared-dir', '/no/such', '--log-level', 'off']
    const { status, stderr } = await lowerdir(['virtiofsd', ...args])
    expect([status, stderr]).toEqual([1, ''])
  })

  it('while another process listens there', async () => {
    await using cli = await serving()
    const args = ['virtiofsd', '--socket-path', path, '--shared-dir', shared]
    const { status, stderr } = await lowerdir(args)
    expect([status, stderr]).toEqual([1, expect.stringContaining('another process listens there.')])
    expect(readFileSync(`${path}.pid`, 'utf8')).toBe(`${cli.child.pid}\n`)
  })
})
