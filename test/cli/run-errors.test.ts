import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { temporaryDirectory } from '../support/temporary.ts'
import { Cli, lowerdir, MAIN, mainFile } from '../support/vm-cli.ts'
import { Stage } from '../support/vm-stage.ts'

let folder: string

beforeEach(() => {
  folder = temporaryDirectory()
  writeFileSync(join(folder, 'file'), 'text')
})

describe('lowerdir run fails before it starts QEMU, and says what to do', () => {
  it.each([
    [
      'a missing root',
      () => ['--root=/no/such'],
      'The root /no/such cannot be served: there is no such file or directory.',
    ],
    ['a root that is a file', () => [`--root=${folder}/file`], 'it is not a directory.'],
    [
      'a missing share',
      () => ['--share=/no/such:/mnt'],
      'The share /no/such cannot be served: there is no such file or directory.',
    ],
    ['an odd share', () => ['--share=/tmp'], 'use SRC:DST[,ro|,rw][,owner=OWNER'],
    ['an odd amount of memory', () => ['--memory=much'], 'use 512M or 2G, at least 64M.'],
    [
      'more memory than there is',
      () => ['--memory=1000000G'],
      '--memory asks for 1024000000 MiB, and this machine has ',
    ],
    ['no processors', () => ['--cpus=0'], '--cpus 0 is not a whole number from 1 to 255.'],
    ['an odd time', () => ['--timeout=soon'], '--timeout soon is not a whole number from 1 to'],
    ['an odd variable', () => ['--env=1=2'], 'use NAME=VALUE'],
    ['an odd owner', () => ['--owner=root'], 'use UID:GID in numbers'],
    ['an odd accelerator', () => ['--accel=fast'], 'choose one of auto, kvm, tcg.'],
    ['an odd atime', () => ['--atime=never'], 'choose one of preserve, guest.'],
    ['an odd sandbox', () => ['--sandbox=on'], 'choose one of off, auto, require.'],
    ['an odd transport', () => ['--transport=udp'], 'choose one of auto, virtiofs, 9p, tcp.'],
    [
      'an odd size of messages',
      () => ['--msize=2G'],
      'use 64K or a number of bytes, at least 4096.',
    ],
    [
      'messages that are too small',
      () => ['--msize=4095'],
      '--msize 4095 is not the size of a message',
    ],
    ['a missing kernel', () => ['--kernel=/no/such'], 'There is no kernel at /no/such.'],
    [
      'a kernel that is none',
      () => [`--kernel=${folder}/file`],
      'is not a kernel image for this machine. Name a bzImage',
    ],
    ['a missing QEMU', () => ['--qemu=/no/such'], 'There is no QEMU at /no/such. Name another'],
    ['a QEMU that is none', () => ['--qemu=/bin/true'], '/bin/true does not run as QEMU'],
    [
      'a QEMU that cannot run',
      () => [`--qemu=${folder}/file`],
      'file cannot be executed (EACCES).',
    ],
  ])('for %s', async (_what, options, words) => {
    const { status, stdout, stderr } = await lowerdir(['run', ...options(), '--', 'true'])
    expect([status, stdout.toString()]).toEqual([125, ''])
    expect(stderr).toContain(words)
    expect(stderr).not.toContain('starting QEMU')
    expect(stderr).not.toMatch(/^ {4}at /m)
  })

  it('for a kernel that this user may not read', async () => {
    using stage = new Stage()
    const kernel = join(stage.shared, 'vmlinuz')
    writeFileSync(kernel, '')
    chmodSync(kernel, 0o600)
    await using cli = Cli.staged(stage.node([MAIN, 'run', `--kernel=${kernel}`, '--', 'true']))
    const { status, stderr } = await cli.ended
    expect(status).toBe(125)
    expect(stderr).toContain(`Make it readable with \`sudo chmod a+r ${kernel}\``)
  })

  it('for KVM where there is none', async () => {
    const args = [mainFile, 'run', '--accel=kvm', '--', 'true']
    // In a namespace where /dev has next to nothing.
    mkdirSync(join(folder, 'dev'))
    writeFileSync(join(folder, 'dev/null'), '')
    const script = `cd "$0" && mount --bind /dev/null null && mount --rbind . /dev && exec "$@"`
    const dev = join(folder, 'dev')
    const argv = ['unshare', '--mount', 'sh', '-c', script, dev, process.execPath, ...args]
    await using cli = Cli.staged({ argv, env: { TMPDIR: folder } })
    const { status, stderr } = await cli.ended
    expect(status).toBe(125)
    expect(stderr).toBe(
      'lowerdir: KVM cannot be used: there is no /dev/kvm. ' +
        'Without --accel kvm the guest is emulated, slowly.\n',
    )
  })
})
