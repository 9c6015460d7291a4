import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Kernel } from '../../src/guest/kernel.ts'
import type { QemuMachine } from '../../src/machine/qemu-machine.ts'
import { ordinaryId } from '../support/ordinary-user.ts'
import { Cli, type CliEnd, MAIN } from '../support/vm-cli.ts'
import {
  bootMachine,
  newest,
  oldest,
  qemuFile,
  sh,
  vmKernel,
  vmQemu,
} from '../support/vm-machine.ts'
import { printedDevice } from '../support/vm-device.ts'
import { Stage } from '../support/vm-stage.ts'
import { treeState } from '../support/vm-tree.ts'

/** Before the files' times of change, so that reading them the ordinary way changes it (relatime). */
const old = new Date('2001-02-03T04:05:06Z')

const big = Buffer.alloc(3_000_000, 'not all of it fits into one message ')
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** A file whose time of access is long ago. */
function fileOf(owner: number, path: string, content: string | Uint8Array = 'content\n'): string {
  writeFileSync(path, content)
  chownSync(path, owner, owner)
  utimesSync(path, old, new Date())
  return path
}

function wasRead(path: string): boolean {
  return statSync(path).atimeMs !== old.getTime()
}

/** Root's files: an ordinary user may read all of them and change none. */
function rootsFiles(stage: Stage, name: string): string {
  const folder = join(stage.shared, name)
  mkdirSync(folder)
  for (const file of ['append', 'chmod', 'rename', 'unlink', 'truncate', 'read']) {
    fileOf(0, join(folder, file))
  }
  fileOf(0, join(folder, 'big'), big)
  fileOf(0, join(folder, 'script'), '#!/bin/sh\necho "executed by $(id -u)"\n')
  chmodSync(join(folder, 'script'), 0o755)
  mkdirSync(join(folder, 'directory'))
  fileOf(0, join(folder, 'directory', 'file'))
  return folder
}

/** Prints `NAME: ok`, or what went wrong, for each thing that a guest does with root's files. */
const useOfFiles = (folder: string): string => `cd ${folder}
step() { name=$1; shift; if out=$(sh -ec "$*" 2>&1); then echo "$name: ok"; else echo "$name: $out"; fi; }
step read 'test "$(cat read)" = content; cmp read chmod'
step 'read all of a big file' 'sha256sum big | grep -q ${sha256(big)}'
step list 'test "$(ls directory)" = file; test "$(ls | wc -l)" = 9'
step execute './script | grep -qx "executed by 0"'
step 'map programs' 'grep -q "r-xp .*/grep" /proc/self/maps; grep -q "r-xp .*/libc" /proc/self/maps'
step append 'echo more >> append; test "$(cat append)" = "$(printf "content\\nmore")"'
step chmod 'chmod 600 chmod; test $(stat -c %a chmod) = 600; test "$(cat chmod)" = content'
step chown 'chown 12:34 chmod; test $(stat -c %u:%g chmod) = 12:34'
step rename 'mv rename renamed; test "$(cat renamed)" = content; test ! -e rename'
step 'rename a directory' 'mv directory moved; test "$(cat moved/file)" = content'
step unlink 'rm unlink; test ! -e unlink'
step truncate ': > truncate; test ! -s truncate'
step 'write to the middle of a big file' '
  printf XY | dd of=big bs=1 seek=1500000 conv=notrunc status=none
  test $(stat -c %s big) = ${big.length}; test "$(dd if=big bs=1 skip=1499999 count=4 status=none | tr -d " ")" != ""'
step create 'mkdir new; echo hi > new/file; test "$(cat new/file)" = hi'
`

const uses = [
  'read',
  'read all of a big file',
  'list',
  'execute',
  'map programs',
  'append',
  'chmod',
  'chown',
  'rename',
  'rename a directory',
  'unlink',
  'truncate',
  'write to the middle of a big file',
  'create',
]
/** Those that make the guest's overlayfs open a lower file. */
const opening = new Set([
  'read',
  'read all of a big file',
  'list',
  'execute',
  'append',
  'chmod',
  'chown',
  'rename',
  'rename a directory',
  'write to the middle of a big file',
])
const allWell = uses.map((use) => `${use}: ok`)

/**
 * Whether a kernel's 9P client passes on the O_NOATIME with which its overlayfs opens lower files. Since
 * Linux 6.4 it masks the flags of Tlopen (P9L_MODE_MASK in include/net/9p/9p.h).
 */
function sendsNoatime({ release }: Kernel): boolean {
  const [major = 0, minor = 0] = release.split('.').map((part) => Number.parseInt(part, 10))
  return major < 6 || (major === 6 && minor < 4)
}

function lines(output: string): string[] {
  return output.trimEnd().split('\n')
}

/** An old kernel's flag arrives over all transports. */
const kinds = [
  oldest,
  { ...newest, kernel: oldest.kernel },
  newest,
  { ...oldest, transport: 'virtiofs' },
  { ...newest, transport: 'virtiofs' },
] as const

describe.each(kinds)(
  'with Linux of Debian $kernel, over $transport on QEMU of Debian $qemu',
  (kind) => {
    const stage = new Stage()
    const own = fileOf(ordinaryId, join(stage.home, 'own'))
    afterAll(() => stage[Symbol.dispose]())

    describe('a run on / by an ordinary user', () => {
      const folder = rootsFiles(stage, 'run')
      let kernel: Kernel
      let before: string
      let end: CliEnd

      beforeAll(async () => {
        before = treeState(folder)
        kernel = await vmKernel(kind.kernel)
        const qemu = qemuFile(stage.shared, await vmQemu(kind.qemu), (path) => stage.path(path))
        const script = `uname -r
cat ${own}
${useOfFiles(folder)}
echo hi >> /etc/passwd && tail -n 1 /etc/passwd
sha256sum < /usr/bin/sha256sum
cat /etc/shadow`
        const over = ['--transport', kind.transport]
        const parts = ['--qemu', qemu, '--kernel', stage.path(kernel.image)]
        await using cli = Cli.staged(
          stage.node([MAIN, 'run', '--verbose', ...over, ...parts, '--', 'sh', '-c', script]),
        )
        end = await cli.end()
      })

      it('reads, executes, maps and copies up what root owns', () => {
        const hash = sha256(readFileSync('/usr/bin/sha256sum'))
        expect(lines(end.stdout.toString())).toEqual([
          kernel.release,
          'content',
          ...allWell,
          'hi',
          `${hash}  -`,
        ])
      })

      it(`has its files over ${kind.transport}`, () => {
        expect(end.stderr).toContain(`files over ${kind.transport}: it was asked for`)
      })

      it('gets the errors that the host gives its user, and no others', () => {
        expect(end.stderr).toContain('cat: /etc/shadow: Permission denied')
        expect(end.stderr).not.toContain('Operation not permitted')
        expect(end.status).toBe(1)
      })

      it('changes nothing on the host, times of access of the user’s own files included', () => {
        expect(treeState(folder)).toBe(before)
        expect(wasRead(own)).toBe(false)
        readFileSync(own)
        expect(wasRead(own)).toBe(true)
      })
    })

    // Servers beside a guest's root are 9P's here.
    if (kind.transport === 'virtiofs') return

    describe('a guest with servers beside its root', () => {
      const roots = rootsFiles(stage, 'shares')
      const files = join(stage.shared, 'files')
      mkdirSync(files)
      const shares = ['user-preserve', 'user-guest', 'root-preserve', 'root-guest'] as const
      for (const share of [...shares, 'root']) {
        for (const way of ['plain', 'overlay']) {
          fileOf(0, join(files, `${share}-roots-${way}`))
          fileOf(ordinaryId, join(files, `${share}-own-${way}`))
        }
      }
      const servers: Cli[] = []
      let machine: QemuMachine
      let sendsFlag: boolean

      beforeAll(async () => {
        const socket = (name: string): string => join(stage.home, `${name}.sock`)
        const isDevice = kind.transport === '9p'
        const serve = (name: string, directory: string, ...options: string[]): string[] => [
          'serve',
          directory,
          '--listen',
          isDevice ? `vhost-user:${socket(name)},tag=${name}` : `unix:${socket(name)}`,
          '--read-only',
          ...options,
        ]
        servers.push(
          Cli.staged(stage.node(['test/support/leaky-server.mjs', roots, socket('leaky')])),
          Cli.staged(stage.node([MAIN, ...serve('good', roots)])),
        )
        for (const share of shares) {
          const [user, atime = ''] = share.split('-')
          const args = serve(share, files, '--atime', atime)
          servers.push(user === 'user' ? Cli.staged(stage.node([MAIN, ...args])) : Cli.start(args))
        }
        await Promise.all(
          servers.map((server, i) => server.printed(i === 0 ? 'listening' : 'mount -t 9p')),
        )
        sendsFlag = sendsNoatime(await vmKernel(kind.kernel))
        const names = ['leaky', 'good', ...shares]
        // The leaky server has no device to offer.
        const devices = isDevice
          ? names.slice(1).map((_, i) => printedDevice(servers[i + 1]!.stdout))
          : []
        machine = await bootMachine(
          {
            shares: (isDevice ? ['leaky'] : names).map((name) => ({
              socket: socket(name),
              target: `/shares/${name}`,
              readOnly: true,
            })),
            qemuArguments: devices.flatMap(({ qemuArguments }) => qemuArguments),
          },
          kind,
        )
        const mounted = await sh(
          machine,
          `set -e
        ${devices.map(({ tag, mountAt }) => mountAt(`/shares/${tag}`)).join('\n')}
        for name in leaky good ${shares.join(' ')}; do
          mkdir -p /run/$name/upper /run/$name/work /merged/$name
          layers=lowerdir=/shares/$name,upperdir=/run/$name/upper,workdir=/run/$name/work
          mount -t overlay -o $layers,xino=off overlay /merged/$name
        done`,
        )
        if (mounted.status !== 0) throw new Error(mounted.stderr)
      })

      afterAll(async () => {
        await machine?.[Symbol.asyncDispose]()
        for (const server of servers) await server[Symbol.asyncDispose]()
      })

      it('fails with EPERM where a server lets the flag through to the host', async () => {
        const used = lines((await sh(machine, useOfFiles('/merged/leaky'))).stdout)
        const working = uses.filter((use) => used.includes(`${use}: ok`))
        expect(working).toEqual(uses.filter((use) => !sendsFlag || !opening.has(use)))
        const read = await sh(machine, 'cat /merged/leaky/read')
        const refused = expect.stringContaining('Operation not permitted') as string
        expect(read).toEqual(
          sendsFlag
            ? { status: 1, stdout: '', stderr: refused }
            : { status: 0, stdout: 'content\n', stderr: '' },
        )
        // Nothing but the flag makes the difference.
        expect(await sh(machine, 'cat /shares/leaky/read')).toMatchObject({ stdout: 'content\n' })
        expect(servers[0]!.stdout.includes('O_NOATIME')).toBe(sendsFlag)
      })

      it('reads and changes the same files through ours', async () => {
        const used = await sh(machine, useOfFiles('/merged/good'))
        expect(lines(used.stdout)).toEqual(allWell)
        expect(used.stderr).toBe('')
      })

      it('keeps access times where the server may, unless the option says otherwise', async () => {
        for (const share of shares) {
          const read = `cat /shares/${share}/${share}-*-plain /merged/${share}/${share}-*-overlay`
          expect(await sh(machine, read)).toMatchObject({ stdout: 'content\n'.repeat(4) })
        }
        expect(await sh(machine, `cat ${files}/root-*`)).toMatchObject({ status: 0, stderr: '' })
        const read = (share: string): string[] =>
          ['own-plain', 'own-overlay', 'roots-plain', 'roots-overlay'].filter((name) =>
            wasRead(join(files, `${share}-${name}`)),
          )
        // A user may set the flag on files of its own only, and root on all.
        expect(read('user-preserve')).toEqual(['roots-plain', 'roots-overlay'])
        expect(read('root-preserve')).toEqual([])
        // A plain mount does not ask for it, an overlay does.
        const overlay = (owner: string): string[] => (sendsFlag ? [] : [`${owner}-overlay`])
        expect(read('root-guest')).toEqual([
          'own-plain',
          ...overlay('own'),
          'roots-plain',
          ...overlay('roots'),
        ])
        expect(read('user-guest')).toEqual([
          'own-plain',
          ...overlay('own'),
          'roots-plain',
          'roots-overlay',
        ])
        // Through the guest's own root, whose server is root here.
        expect(read('root')).toEqual([])
      })
    })
  },
)
