import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { network } from '../../src/driver/boot-network.ts'
import type { Machine } from '../../src/driver/machine.ts'
import type { BootOptions } from '../../src/driver/options.ts'
import { bootTested } from '../support/vm-boot.ts'

const folder = mkdtempSync(join(tmpdir(), 'lowerdir-test-'))
const upper = { disk: join(folder, 'up,per.img'), size: '300M' }
const data = join(folder, 'data.img')
const constant = join(folder, 'constant.img')

const options: BootOptions = {
  upper,
  disks: [{ file: data }, { file: constant, readOnly: true }, { size: 64 }],
}

let vm: Machine

beforeAll(async () => {
  writeFileSync(data, Buffer.alloc(1 << 20))
  writeFileSync(constant, Buffer.alloc(1 << 20, 'constant'))
  vm = await bootTested(options)
})

afterAll(async () => {
  await vm?.[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

describe('a machine with disks', () => {
  it('has them in order, of their sizes', async () => {
    expect(await vm.succeed('cd /sys/block && cat vda/size vdb/size vdc/size vdd/size')).toBe(
      `${300 * 2048}\n2048\n2048\n${64 * 2048}\n`,
    )
    expect(await vm.succeed('cat /sys/block/vdb/ro /sys/block/vdc/ro')).toBe('0\n1\n')
    expect(await vm.succeed('head -c 16 /dev/vdc')).toBe('constantconstant')
    expect(await vm.succeed('tr -d "\\0" </dev/vdd | wc -c')).toBe('0\n')
    await vm.fail('echo x >/dev/vdc')
  })

  it('writes to them', async () => {
    await vm.succeed('printf written >/dev/vdb && sync')
    expect(readFileSync(data).toString('latin1', 0, 8)).toBe('written\0')
    await vm.succeed('mkfs.ext4 -q /dev/vdd && mount /dev/vdd /mnt && echo x >/mnt/y')
  })

  it('cannot share one that it may write to', async () => {
    await expect(bootTested(options)).rejects.toThrow(
      `The disk ${upper.disk} is in use: by another machine`,
    )
  })

  it('takes no more of the host than what is written', () => {
    const { size, blocks } = statSync(upper.disk)
    expect(size).toBe(300 << 20)
    expect(blocks * 512).toBeLessThan(60 << 20)
  })

  it('finds on its upper disk what it has written, though it was ended at once', async () => {
    await vm.succeed('mkdir /srv/kept && echo kept >/srv/kept/file && rm /etc/hostname')
    const before = await vm.changes()
    await vm[Symbol.asyncDispose]()
    expect(existsSync('/srv/kept')).toBe(false)
    vm = await bootTested(options)
    expect(await vm.readFile('/srv/kept/file')).toBe('kept\n')
    await vm.fail('ls /etc/hostname')
    expect(await vm.changes()).toEqual(before)
    expect(before.created).toEqual(expect.arrayContaining(['/srv/kept', '/srv/kept/file']))
    expect(before.deleted).toEqual(['/etc/hostname'])
  })
})

it('an upper disk can be that of a root that cannot format it', async () => {
  const root = join(folder, 'root')
  mkdirSync(root)
  const disk = join(folder, 'other.img')
  writeFileSync(disk, '')
  truncateSync(disk, 100 << 20)
  for (const expected of ['', 'x\n']) {
    await using machine = await bootTested({ root, upper: { disk } })
    const { stdout } = await machine.exec(['/run/lowerdir/busybox', 'cat', '/y'])
    expect(stdout).toBe(expected)
    await machine.writeFile('/y', 'x\n')
    await machine.shutdown()
  }
})

it('a machine of a network has the others in /etc/hosts once, however often its upper disk was booted', async () => {
  const machine = { root: '/', init: 'none', memory: 512, screen: false } as const
  await using net = await network({
    machines: { one: { ...machine, upper: { disk: join(folder, 'of-one.img') } } },
  })
  const { one } = net.machines
  await one.succeed('echo 10.1.2.3 of-the-test >>/etc/hosts')
  const hosts = await one.readFile('/etc/hosts')
  await one.reboot()
  expect(await one.readFile('/etc/hosts')).toBe(hosts)
  expect(hosts).toMatch(/^192\.168\.1\.1 one # lowerdir\n2001:db8:1::1 one # lowerdir\n/)
  expect(hosts).toMatch(/\n10\.1\.2\.3 of-the-test\n$/)
  expect(await one.succeed('getent ahosts one')).toMatch(/^192\.168\.1\.1 /m)
})

it('a disk that has something else on it stays as it is', async () => {
  const disk = join(folder, 'somebody’s.img')
  const content = Buffer.alloc(20 << 20)
  content.write('precious', 10 << 20)
  writeFileSync(disk, content)
  await expect(bootTested({ upper: { disk } })).rejects.toThrow(
    `machine: The guest gave up: the disk ${disk} is neither empty nor an ext4 file system`,
  )
  expect(readFileSync(disk).equals(content)).toBe(true)
  await expect(bootTested({ upper: { disk: join(folder, 'none', 'x.img') } })).rejects.toThrow(
    `The disk ${join(folder, 'none', 'x.img')} can be neither opened nor made: ENOENT`,
  )
})
