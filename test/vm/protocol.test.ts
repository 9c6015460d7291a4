import {
  closeSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { setxattr } from '../../src/sys/xattr.ts'
import type { QemuMachine } from '../../src/machine/qemu-machine.ts'
import { type DirectoryServer, serveDirectory } from '../support/directory-server.ts'
import { HostLocker } from '../support/host-locker.ts'
import { built } from '../support/ordinary-user.ts'
import { bootMachine, newest, oldest, sh } from '../support/vm-machine.ts'

/**
 * What only some programs of a guest ask for: extended attributes, special files, and locks between two
 * guests of one share. The programs come from the guests' root, which is this machine's.
 */

const folder = mkdtempSync(join(tmpdir(), 'lowerdir-test-'))
const shared = mkdtempSync(join(tmpdir(), 'lowerdir-test-'))
let server: DirectoryServer
let first: QemuMachine
let second: QemuMachine

beforeAll(async () => {
  server = await serveDirectory(shared, {}, folder)
  const options = { shares: [{ socket: server.socketPath, target: '/share', readOnly: false }] }
  first = await bootMachine({ ...options, hostname: 'first' }, oldest)
  second = await bootMachine({ ...options, hostname: 'second' }, newest)
})

afterAll(async () => {
  await first?.[Symbol.asyncDispose]()
  await second?.[Symbol.asyncDispose]()
  await server?.engine.close()
  for (const each of [folder, shared]) rmSync(each, { recursive: true, force: true })
})

/** Waits for a file that a guest makes in the share. */
async function made(name: string): Promise<void> {
  const there = (): void => expect(existsSync(join(shared, name))).toBe(true)
  await vi.waitFor(there, { timeout: 120_000, interval: 50 })
}

it('a guest’s extended attributes are the host’s', async () => {
  writeFileSync(join(shared, 'attributes'), '')
  const script = `
    const { getxattr, listxattr, removexattr, setxattr } = await import('${built('sys/xattr.js')}')
    const { openSync } = await import('node:fs')
    const fd = openSync('/share/attributes', 'r')
    const tried = (act) => { try { return String(act() ?? 'done') } catch (error) { return error.code } }
    const long = Buffer.alloc(60_000, 'long')
    console.log(JSON.stringify([
      tried(() => setxattr(fd, 'user.one', Buffer.from('from the guest'), 0)),
      tried(() => setxattr(fd, 'user.one', Buffer.from('again'), 1)),
      tried(() => setxattr(fd, 'user.gone', Buffer.from('x'), 2)),
      tried(() => setxattr(fd, 'user.empty', Buffer.alloc(0), 0)),
      tried(() => setxattr(fd, 'trusted.two', Buffer.from('2'), 0)),
      tried(() => getxattr(fd, 'user.one')),
      tried(() => getxattr(fd, 'user.none')),
      tried(() => listxattr(fd).toString().split('\\0').sort().join(' ')),
      tried(() => removexattr(fd, 'user.empty')),
      tried(() => removexattr(fd, 'user.empty')),
    ]))`
  const node = `${process.execPath} --input-type=module --eval "$(cat /share/script.mjs)"`
  writeFileSync(join(shared, 'script.mjs'), script)
  const { stdout, stderr, status } = await sh(first, node)
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
  expect(JSON.parse(stdout)).toEqual([
    'done',
    'EEXIST',
    'ENODATA',
    'done',
    'done',
    'from the guest',
    'ENODATA',
    ' trusted.two user.empty user.one',
    'done',
    'ENODATA',
  ])
})

it('files of the root that have attributes can be changed in a guest, and stay as they are', async () => {
  // overlayfs copies the attributes with the file (ovl_copy_xattr), whatever the upper layer makes of them.
  const acl = '0200000001000600ffffffff04000400ffffffff10000400ffffffff20000000ffffffff'
  const names: Record<string, Buffer> = {
    'user.x': Buffer.from('x'),
    'trusted.x': Buffer.from('x'),
    'security.selinux': Buffer.from('system_u:object_r:etc_t:s0\0'),
    'security.capability': Buffer.from('0100000200200000000000000000000000000000', 'hex'),
    'system.posix_acl_access': Buffer.from(acl, 'hex'),
  }
  for (const [name, value] of Object.entries(names)) {
    const path = join(folder, name)
    writeFileSync(path, 'before\n')
    const fd = openSync(path, 'r')
    setxattr(fd, name, value, 0)
    closeSync(fd)
  }
  const script = `cd ${folder}; for name in ${Object.keys(names).join(' ')}; do
    echo after >> $name && chmod 600 $name && cat $name || echo $name; done`
  for (const machine of [first, second]) {
    const { stdout, stderr } = await sh(machine, script)
    expect([stdout, stderr]).toEqual(['before\nafter\n'.repeat(5), ''])
  }
  for (const name of Object.keys(names)) {
    expect(readFileSync(join(folder, name), 'utf8')).toBe('before\n')
  }
})

it('a guest makes FIFOs, sockets’ and devices’ nodes', async () => {
  const script = `cd /share; mkfifo -m 640 fifo && mknod null c 1 3 && chmod 666 null
    (echo through the fifo > fifo &); cat fifo; stat -c '%F %t:%T' fifo null`
  const { stdout, stderr } = await sh(first, script)
  expect([stdout, stderr]).toEqual(['through the fifo\nfifo 0:0\ncharacter special file 1:3\n', ''])
  expect(lstatSync(join(shared, 'fifo')).mode & 0o170777).toBe(0o10640)
  expect(lstatSync(join(shared, 'null')).rdev).toBe(0x103)
})

it('a lock of one guest keeps the other out, and passes on to it', async () => {
  const held = sh(
    first,
    `flock /share/lock sh -c 'echo first >> /share/order; touch /share/held
      until test -e /share/go; do sleep 0.1; done; echo first is done >> /share/order'`,
  )
  await made('held')
  const refused = 'flock --nonblock /share/lock true'
  expect([(await sh(second, refused)).status, (await sh(first, refused)).status]).toEqual([1, 1])
  const waiting = sh(
    second,
    `touch /share/waits; flock /share/lock sh -c 'echo second >> /share/order'`,
  )
  await made('waits')
  // The other guest's requests are answered while this one waits.
  expect((await sh(second, 'cat /share/order')).stdout).toBe('first\n')
  writeFileSync(join(shared, 'go'), '')
  expect([(await held).status, (await waiting).status]).toEqual([0, 0])
  expect(readFileSync(join(shared, 'order'), 'utf8')).toBe('first\nfirst is done\nsecond\n')
})

it('a lock of a program of the host keeps a guest out, and the other way round', async () => {
  const path = join(shared, 'hosts')
  writeFileSync(path, '')
  await using host = await HostLocker.start(path)
  expect(await host.lock('write')).toBe(true)
  expect((await sh(first, 'flock --nonblock /share/hosts true')).status).toBe(1)
  const script = `flock /share/hosts sh -c 'touch /share/mine; until test -e /share/enough; do sleep 0.1; done'`
  const waiting = sh(first, `touch /share/asks; ${script}`)
  await made('asks')
  expect(await host.lock('none')).toBe(true)
  await made('mine')
  expect(await host.lock('read')).toBe(false)
  writeFileSync(join(shared, 'enough'), '')
  expect((await waiting).status).toBe(0)
  expect(await host.lock('write')).toBe(true)
})
