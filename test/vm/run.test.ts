import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { needsRoot, temporaryDirectory } from '../support/temporary.ts'
import { Cli, lowerdir, mainFile } from '../support/vm-cli.ts'
import { newest, vmQemu } from '../support/vm-machine.ts'
import { treeState } from '../support/vm-tree.ts'

/** Longer than any test may take. */
const FOR_EVER = 1000

const old = new Date('2001-02-03T04:05:06Z')

let folder: string

// `run` takes the newest that is here.
beforeAll(async () => void (await vmQemu(newest.qemu)))

beforeEach(() => {
  folder = temporaryDirectory()
})

function directory(name: string, files: Readonly<Record<string, string>>): string {
  const path = join(folder, name)
  mkdirSync(path)
  for (const [file, content] of Object.entries(files)) writeFileSync(join(path, file), content)
  return path
}

describe('lowerdir run', () => {
  it('runs a command on the host’s files, which stay as they are', async () => {
    needsRoot('lets the guest change files in /etc')
    const before = treeState('/etc')
    const source = directory('src', { file: 'from the host\n' })
    const out = directory('out', { theirs: '' })
    const read = join(source, 'file')
    utimesSync(read, old, new Date())
    const script = `cat
      echo to stderr >&2
      echo "$GREETING, $FROM_HOST and $NOT_THERE"
      pwd
      id -u
      getent hosts "$(hostname)" | cut -d' ' -f1
      echo "$USER $LOGNAME $SHELL $HOME $OLDPWD"
      cat /src/file
      echo new > /src/new || echo "/src is read-only"
      echo made > /out/made
      stat -c %u:%g /out/theirs
      echo hi > /etc/motd; cat /etc/motd
      rm -r /etc/passwd /etc/apt; mv /etc/group /etc/group.old; chmod 777 /etc
      exit 7`
    const end = await lowerdir(
      [
        'run',
        '--env=GREETING=hello  world',
        '--env=FROM_HOST',
        '--env=NOT_THERE',
        '--cwd=/usr/share',
        `--share=${source}:/src:ro`,
        `--share=${out}:/out,owner=12:34,rw`,
        '--atime=guest',
        '--',
        'sh',
        '-c',
        script,
      ],
      { input: 'line from stdin\n', env: { FROM_HOST: 'host' } },
    )
    expect(end.stdout.toString().split('\n')).toEqual([
      'line from stdin',
      'hello  world, host and ',
      '/usr/share',
      '0',
      '127.0.1.1',
      'root root /bin/sh /root ',
      'from the host',
      '/src is read-only',
      '12:34',
      'hi',
      '',
    ])
    expect(end.stderr).toMatch(/^to stderr$/m)
    expect(end.status).toBe(7)
    expect(treeState('/etc')).toBe(before)
    expect(existsSync(join(source, 'new'))).toBe(false)
    expect(readFileSync(join(out, 'made'), 'utf8')).toBe('made\n')
    // What `--atime guest` is for.
    expect(statSync(read).atimeMs).not.toBe(old.getTime())
  })

  it('carries 100 MB through stdout and some through stdin, bit for bit', async () => {
    const input = randomBytes(5_000_001)
    const large = randomBytes(100_000_000)
    writeFileSync(join(folder, 'large'), large)
    const share = `--share=${folder}:/share:ro`
    const end = await lowerdir(['run', share, '--', 'cat', '-', '/share/large'], { input })
    const hash = (...some: Uint8Array[]): string => {
      return createHash('sha256').update(Buffer.concat(some)).digest('hex')
    }
    expect(end.stdout.length).toBe(input.length + large.length)
    expect(hash(end.stdout)).toBe(hash(input, large))
    expect(end.status).toBe(0)
  })

  it('shows all files as one owner’s, and starts where it was called', async () => {
    const here = directory('here', { mine: 'content\n' })
    utimesSync(join(here, 'mine'), old, new Date())
    const script = 'cat mine; stat -c %u:%g mine /etc/passwd /usr; touch new && stat -c %u:%g new'
    const end = await lowerdir(['run', '--owner', '7:8', '--', 'sh', '-c', script], { cwd: here })
    expect(end.stdout.toString()).toBe('content\n7:8\n7:8\n7:8\n0:0\n')
    expect(end.status).toBe(0)
    expect(statSync(join(here, 'mine')).atimeMs).toBe(old.getTime())
    expect(existsSync(join(here, 'new'))).toBe(false)
  })

  it('ends with 128 + n for a signal, whatever its children hold open', async () => {
    await using cli = Cli.start([
      'run',
      '--cpus=2',
      '--memory=300M',
      '--append=lowerdir.test=1',
      '--msize=64K',
      '--verbose',
      '--keep',
      '--',
      'sh',
      '-c',
      `printf '\\033]0;title\\007\\n' >/dev/console; sleep ${FOR_EVER} & nproc; grep -c lowerdir.test=1 /proc/cmdline; grep MemTotal /proc/meminfo; grep " /lower 9p .*,trans=virtio" /proc/1/mounts; kill -TERM $$`,
    ])
    const { status, stdout, stderr } = await cli.end()
    const [processors, appended, memory = '', mount] = stdout.toString().split('\n')
    expect([processors, appended]).toEqual(['2', '1'])
    const kibibytes = Number(/\d+/.exec(memory)?.[0])
    expect(kibibytes).toBeGreaterThan(200 * 1024)
    expect(kibibytes).toBeLessThan(300 * 1024)
    expect(mount).toContain(',msize=65536,')
    expect(status).toBe(143)
    expect(stderr).toContain('| lowerdir: phase root')
    // The terminal shows the guest's console and does not obey it.
    expect(stderr).toContain(String.raw`| \x1b]0;title\x07`)
    expect(stderr).toMatch(/files over 9p: QEMU \S+ has vhost-user-test-device-pci$/m)
    expect(stderr).toContain('QEMU: ')
    expect(cli.leftovers().some((path) => path.endsWith('/initramfs'))).toBe(true)
    expect(cli.helpers()).toEqual([])
  })

  it('ends with 127 where there is no such command', async () => {
    const end = await lowerdir(['run', '--', 'no-such-command', 'argument'])
    expect(end.status).toBe(127)
    expect(end.stderr).toContain('lowerdir: no-such-command: not found in the guest')
    expect(end.stdout.toString()).toBe('')
  })

  it('ends with 124 after --timeout', async () => {
    await using cli = Cli.start(['run', '--timeout', '3', '--', 'sleep', String(FOR_EVER)])
    const { status, stderr } = await cli.end()
    expect(status).toBe(124)
    expect(stderr).toContain('lowerdir: --timeout: ended after 3 seconds.')
    expect([cli.helpers(), cli.leftovers()]).toEqual([[], []])
  })

  it('ends when its output is closed', async () => {
    const pipeline = '"$@" run -- yes | head -n 3; echo "${PIPESTATUS[0]}"'
    const child = spawn('bash', ['-c', pipeline, 'bash', process.execPath, mainFile], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    expect(await text(child.stdout)).toBe('y\ny\ny\n141\n')
  })
})
