import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Machine } from '../../src/driver/machine.ts'
import { restoreTested } from '../support/vm-boot.ts'

const folder = mkdtempSync(join(tmpdir(), 'lowerdir-test-'))
const bytes = randomBytes(3_000_000)
let vm: Machine

beforeAll(async () => {
  vm = await restoreTested()
})

afterAll(async () => {
  await vm?.[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

describe('a file of the guest’s', () => {
  it('is written and read as it is, whatever its bytes', async () => {
    await vm.writeFile('/tmp/bytes', bytes)
    expect((await vm.readFile('/tmp/bytes', 'buffer')).equals(bytes)).toBe(true)
    await vm.writeFile('/tmp/text', 'añb\n')
    expect(await vm.readFile('/tmp/text')).toBe('añb\n')
    expect(await vm.readFile('/tmp/text', 'hex')).toBe('61c3b1620a')
    await vm.writeFile('/tmp/text', '')
    expect(await vm.readFile('/tmp/text')).toBe('')
  })

  it('gets its directories, its mode and its owner', async () => {
    const path = "/tmp/made for it/it's"
    await vm.writeFile(path, 'x', { mode: 0o4750, owner: 'daemon:1234' })
    await vm.writeFile('/tmp/made for it/plain', 'x')
    const stat = (file: string): Promise<string> => vm.succeed(['stat', '-c', '%a %U %g', file])
    expect(await stat(path)).toBe('4750 daemon 1234\n')
    expect(await stat('/tmp/made for it/plain')).toBe('644 root 0\n')
    expect(await stat('/tmp/made for it')).toBe('755 root 0\n')
    await vm.writeFile(path, 'y')
    expect(await stat(path)).toBe('4750 daemon 1234\n')
  })

  it('is written from a stream that is not kept', async () => {
    const chunk = Buffer.alloc(1 << 20, 'x')
    let given = 0
    const stream = new Readable({
      read() {
        this.push(given++ < 50 ? chunk : null)
      },
    })
    const before = process.memoryUsage().arrayBuffers
    await vm.writeFile('/dev/null', stream)
    expect(given).toBe(51)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(25 << 20)
  })

  it('is named in an error, with the reason', async () => {
    await expect(vm.readFile('/nowhere/at-all')).rejects.toMatchObject({
      message: 'machine: /nowhere/at-all cannot be read: No such file or directory (ENOENT)',
      code: 'ENOENT',
      path: '/nowhere/at-all',
    })
    await expect(vm.readFile('/tmp')).rejects.toMatchObject({ code: 'EISDIR' })
    await expect(vm.writeFile('/tmp', 'x')).rejects.toThrow(
      'machine: /tmp cannot be written: Is a directory (EISDIR)',
    )
    await expect(vm.writeFile('/dev/full', 'x')).rejects.toMatchObject({ code: 'ENOSPC' })
    await expect(vm.writeFile('/etc/passwd/x', 'x')).rejects.toMatchObject({
      message:
        "machine: /etc/passwd/x cannot be written: mkdir: can't create directory '/etc/passwd': File exists (EEXIST)",
    })
    await expect(vm.readFile('etc/passwd')).rejects.toThrow('"etc/passwd" is not an absolute path')
  })

  it('can be one of the kernel’s, which has no size', async () => {
    expect(await vm.readFile('/proc/sys/kernel/hostname')).toBe('machine\n')
  })

  it('fails after its timeout', async () => {
    const endless = new Readable({ read: () => {} })
    const writing = vm.writeFile('/tmp/endless', endless, { timeout: 1 })
    await expect(writing).rejects.toThrow('machine: the transfer was ended after 1 seconds.')
    expect(endless.destroyed).toBe(true)
    await vm.waitUntilFails('pgrep -f of=/tmp/endles[s]', { timeout: 60 })
    const abort = AbortSignal.abort(new Error('not wanted any more'))
    await expect(vm.readFile('/etc/passwd', 'utf8', { signal: abort })).rejects.toThrow(
      'not wanted any more',
    )
  })
})

describe('a copy', () => {
  it('of a directory has its modes, its symlinks and all of its bytes', async () => {
    const source = join(folder, 'tree')
    mkdirSync(join(source, 'deep', 'empty'), { recursive: true })
    writeFileSync(join(source, 'deep', 'bytes'), bytes)
    writeFileSync(join(source, 'a name\nof two lines'), 'x')
    writeFileSync(join(source, 'program'), '#!/bin/sh\n', { mode: 0o751 })
    symlinkSync('../nowhere', join(source, 'deep', 'link'))
    chmodSync(join(source, 'deep'), 0o1777)
    chmodSync(source, 0o710)

    await vm.copyFromHost(source, '/tmp/copies/tree')
    const list = await vm.succeed(
      'cd /tmp/copies/tree && stat -c "%a %u %F" . deep deep/empty program deep/link "a name\nof two lines"',
    )
    expect(list.split('\n').slice(0, 6)).toEqual([
      '710 0 directory',
      '1777 0 directory',
      '755 0 directory',
      '751 0 regular file',
      '777 0 symbolic link',
      '644 0 regular file',
    ])
    await vm.writeFile('/tmp/copies/tree/deep/more', 'of the guest')

    const back = await vm.copyToHost('/tmp/copies/tree', join(folder, 'new', 'back'))
    expect(back).toBe(join(folder, 'new', 'back', 'tree'))
    expect(readFileSync(join(back, 'deep', 'bytes')).equals(bytes)).toBe(true)
    expect(readFileSync(join(back, 'deep', 'more'), 'utf8')).toBe('of the guest')
    expect(readlinkSync(join(back, 'deep', 'link'))).toBe('../nowhere')
    expect(statSync(join(back, 'program')).mode & 0o777).toBe(0o751)
    expect(lstatSync(join(back, 'deep', 'empty')).isDirectory()).toBe(true)
    expect(readFileSync(join(back, 'a name\nof two lines'), 'utf8')).toBe('x')
  })

  it('of a file is called what it was told, with its mode', async () => {
    const source = join(folder, 'one')
    writeFileSync(source, bytes, { mode: 0o640 })
    symlinkSync('one', join(folder, 'to-one'))
    await vm.copyFromHost(join(folder, 'to-one'), '/srv/x/y')
    expect(await vm.succeed(['stat', '-c', '%a %F', '/srv/x/y'])).toBe('640 regular file\n')
    await vm.succeed('ln -s y /srv/x/z && chmod 4755 /srv/x/y')
    const target = await vm.copyToHost('/srv/x/z', folder)
    expect(target).toBe(join(folder, 'z'))
    expect(readFileSync(target).equals(bytes)).toBe(true)
    expect(lstatSync(target).mode.toString(8)).toBe('100755')
  })

  it('of a sparse file is larger than the guest’s memory, and takes no room', async () => {
    const source = join(folder, 'sparse')
    writeFileSync(source, 'begin')
    truncateSync(source, 2 ** 31)
    await vm.copyFromHost(source, '/tmp/sparse')
    expect(await vm.succeed('stat -c %s /tmp/sparse; head -c 5 /tmp/sparse')).toBe(
      '2147483648\nbegin',
    )
    expect(Number((await vm.succeed('du -k /tmp/sparse')).split('\t')[0])).toBeLessThan(1024)
  })

  it('says in an error whether the file was the host’s or the guest’s', async () => {
    await expect(vm.copyFromHost('/nowhere/of-the-host', '/tmp/x')).rejects.toThrow(
      'machine: /nowhere/of-the-host of the host cannot be read: ENOENT',
    )
    await expect(vm.copyToHost('/nowhere', folder)).rejects.toMatchObject({
      code: 'ENOENT',
      message: 'machine: /nowhere cannot be read: No such file or directory (ENOENT)',
    })
    const inFile = join(folder, 'one', 'inside')
    await expect(vm.copyToHost('/etc/passwd', inFile)).rejects.toMatchObject({ code: 'ENOTDIR' })
    await expect(vm.copyToHost('/etc', inFile)).rejects.toMatchObject({ path: join(inFile, 'etc') })
    await expect(vm.copyFromHost(join(folder, 'tree'), '/dev/null')).rejects.toMatchObject({
      path: '/dev/null',
      code: 'EEXIST',
    })
    await expect(vm.copyToHost('/dev/mem', '/dev/full')).rejects.toThrow('of the host')
  })

  it('is in the record', () => {
    expect(vm.recorder.events).toContainEqual(
      expect.objectContaining({
        kind: 'file-copied',
        direction: 'to-guest',
        source: join(folder, 'tree'),
        target: '/tmp/copies/tree',
      }),
    )
    const back = vm.recorder.events.filter(
      (event) => event.kind === 'file-copied' && event.direction === 'to-host',
    )
    expect(back).toHaveLength(2)
  })
})
