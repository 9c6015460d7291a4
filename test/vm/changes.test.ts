import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Machine } from '../../src/driver/machine.ts'
import { share } from '../../src/driver/share.ts'
import { bootTested } from '../support/vm-boot.ts'

/** A root that has nothing but what the test is about; its shell is the guest's busybox. */
const root = mkdtempSync(join(tmpdir(), 'lowerdir-test-'))
const none = { created: [], changed: [], deleted: [] }
let vm: Machine

beforeAll(async () => {
  const files = ['etc/app/a', 'etc/app/b', 'etc/mode', 'etc/touched', 'etc/gone', 'etc/same']
  const trees = ['opaque/old', 'opaque/kept', 'tree/x/y', 'to-file/inner', 'to-dir', 'owned/x']
  const odd = ['odd/*', 'odd/.hidden', 'odd/two\nlines', 'odd/é']
  for (const path of [...files, ...trees, ...odd]) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), 'lower\n')
  }
  symlinkSync('nowhere', join(root, 'etc/link'))
  mkdirSync(join(root, 'usr/lib'), { recursive: true })
  symlinkSync('usr/lib', join(root, 'lib'))
  vm = await bootTested({
    root,
    restrictNetwork: false,
    shares: [{ source: share({ x: '' }), target: '/mnt/deep/share' }],
  })
})

afterAll(async () => {
  await vm?.[Symbol.asyncDispose]()
  rmSync(root, { recursive: true, force: true })
})

/** Runs a line of the guest's busybox, whose applets are no programs of the root's. */
function run(line: string): Promise<string> {
  return vm.succeed(['/run/lowerdir/busybox', 'sh', '-c', line])
}

it('finds nothing before the first command', async () => {
  expect(await vm.changes()).toEqual(none)
})

it('tells what was created, changed and deleted', async () => {
  await run(`set -e
    cat /etc/same >/dev/null
    echo x >>/etc/app/a
    touch /etc/touched
    chmod 600 /etc/mode
    rm /etc/gone /etc/link
    mkdir -p /new/deeper && echo x >/new/deeper/file && ln -s nowhere /new/link && mkfifo /new/fifo
    mknod /new/null c 1 3
    rm -r /opaque && mkdir /opaque && echo x >/opaque/kept && echo x >/opaque/other
    rm -r /tree
    rm -r /to-file && echo x >/to-file
    rm /to-dir && mkdir /to-dir && echo x >/to-dir/inner
    chown 1:1 /owned
    rm '/odd/*' /odd/.hidden '/odd/two
lines' /odd/é
    echo x >'/new/three
lines
.'
    echo x >/run/elsewhere
    echo x >/tmp/here`)
  expect(await vm.changes()).toEqual({
    created: [
      '/new',
      '/new/deeper',
      '/new/deeper/file',
      '/new/fifo',
      '/new/link',
      '/new/null',
      '/new/three\nlines\n.',
      '/opaque/other',
      '/tmp/here',
      '/to-dir/inner',
    ],
    changed: [
      '/etc/app/a',
      '/etc/mode',
      '/etc/touched',
      '/opaque/kept',
      '/owned',
      '/to-dir',
      '/to-file',
    ],
    deleted: [
      '/etc/gone',
      '/etc/link',
      '/odd/*',
      '/odd/.hidden',
      '/odd/two\nlines',
      '/odd/é',
      '/opaque/old',
      '/to-file/inner',
      '/tree',
    ],
  })
})

it('can be asked about one directory', async () => {
  expect(await vm.changes({ under: '/etc' })).toEqual({
    created: [],
    changed: ['/etc/app/a', '/etc/mode', '/etc/touched'],
    deleted: ['/etc/gone', '/etc/link'],
  })
  expect(await vm.changes({ under: '/new/deeper' })).toEqual({
    ...none,
    created: ['/new/deeper', '/new/deeper/file'],
  })
  expect(await vm.changes({ under: '/tree/x/' })).toEqual({ ...none, deleted: ['/tree'] })
  await expect(vm.changes({ under: 'etc' })).rejects.toThrow('is no absolute path')
})

it('forgets what was undone', async () => {
  await run('rm -r /new && echo nameserver 10.0.2.9 >/etc/resolv.conf')
  const { created } = await vm.changes()
  expect(created).toEqual(['/etc/resolv.conf', '/opaque/other', '/tmp/here', '/to-dir/inner'])
})
