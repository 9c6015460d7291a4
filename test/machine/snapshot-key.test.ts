import { appendFileSync, mkdirSync, renameSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { snapshotKey } from '../../src/machine/snapshot-key.ts'
import type { MachinePlan } from '../../src/machine/plan.ts'
import { temporaryDirectory } from '../support/temporary.ts'

let folder: string
let data: MachinePlan

const at = (path: string): string => join(folder, path)

beforeEach(() => {
  folder = temporaryDirectory()
  for (const path of [
    'root/etc',
    'root/usr/bin',
    'root/home',
    'root/var/lib/dpkg',
    'modules',
    'share',
  ]) {
    mkdirSync(at(path), { recursive: true })
  }
  for (const path of [
    'qemu',
    'kernel',
    'busybox',
    'modules/modules.dep',
    'root/var/lib/dpkg/status',
    'disk',
    'initrd',
  ]) {
    writeFileSync(at(path), path)
  }
  const version = { major: 7, minor: 2, text: '7.2' }
  data = {
    arch: 'x64',
    qemu: { command: at('qemu'), args: [], version, source: 'option' },
    kernel: { release: '6.1', image: at('kernel'), modules: at('modules') },
    busybox: at('busybox'),
    accelerator: 'tcg',
    transport: 'tcp',
    msize: null,
    root: at('root'),
    rootOwner: 'host',
    atime: 'preserve',
    sandbox: 'auto',
    shares: [{ source: at('share'), target: '/share', readOnly: false, owner: 'host' }],
    upper: null,
    disks: [{ file: at('disk'), format: 'raw', readOnly: false }],
    memoryMiB: 512,
    cpus: 1,
    append: '',
    initrd: at('initrd'),
    qemuArguments: [],
    hostname: 'vm',
    init: 'none',
    maskedUnits: [],
    prepare: '',
    userNetwork: null,
    nics: [],
    screen: false,
    terminal: false,
  }
})

describe('the key of a snapshot', () => {
  it('is the same for the same options and files', async () => {
    const key = await snapshotKey(data, 'booted')
    expect(key).toMatch(/^[\da-f]{64}$/)
    expect(await snapshotKey(structuredClone(data), 'booted')).toBe(key)
  })

  const others: Record<string, () => void> = {
    'the options are others': () => (data = { ...data, memoryMiB: 513 }),
    'QEMU was replaced': () => replace('qemu'),
    'the kernel was replaced': () => replace('kernel'),
    'its modules are others': () => appendFileSync(at('modules/modules.dep'), 'x'),
    'busybox has changed, with its times set back': () => {
      writeFileSync(at('busybox'), 'BUSYBOX')
      utimesSync(at('busybox'), 1, 1)
    },
    'the initrd has changed': () => appendFileSync(at('initrd'), 'x'),
    'a disk has changed': () => appendFileSync(at('disk'), 'x'),
    'a package was installed in the root': () =>
      appendFileSync(at('root/var/lib/dpkg/status'), 'x'),
    'a program came into the root': () => writeFileSync(at('root/usr/bin/new'), ''),
    'the root is another directory': () => {
      renameSync(at('root'), at('old'))
      mkdirSync(at('root'))
    },
    'a share is another directory': () => {
      renameSync(at('share'), at('old'))
      mkdirSync(at('share'))
    },
  }

  function replace(name: string): void {
    writeFileSync(at(`${name}.new`), name)
    renameSync(at(`${name}.new`), at(name))
  }

  it.each(Object.entries(others))('is another if %s', async (_what, change) => {
    const key = await snapshotKey(data, 'booted')
    change()
    expect(await snapshotKey(data, 'booted')).not.toBe(key)
  })

  it('is another after another preparation', async () => {
    expect(await snapshotKey(data, 'a')).not.toBe(await snapshotKey(data, 'b'))
  })

  it('does not depend on files that guests write: in shares, in homes, and in the top folder of the root', async () => {
    const key = await snapshotKey(data, 'booted')
    writeFileSync(at('share/new'), '')
    writeFileSync(at('root/home/new'), '')
    writeFileSync(at('root/new'), '')
    expect(await snapshotKey(data, 'booted')).toBe(key)
  })
})
