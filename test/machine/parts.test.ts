import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { planExports } from '../../src/machine/exports.ts'
import { onSameFileSystem } from '../../src/machine/find.ts'
import { initDevices, machineParts } from '../../src/machine/parts.ts'
import type { Device } from '../../src/machine/devices/device.ts'
import type { PlanOptions } from '../../src/machine/options.ts'
import { planMachine } from '../../src/machine/plan.ts'
import { SyntheticTree } from '../../src/tree/synthetic/synthetic-tree.ts'
import { directory } from '../../src/tree/synthetic/entry.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { found } from './found.ts'

const file = (name: string): string => `/run/${name}`

function partsOf(options: PlanOptions): Device[] {
  const plan = planMachine(options, found)
  const upper = { device: '/dev/vda', file: '/upper.img', isEmpty: true }
  const image = { file: '/upper.img', format: 'raw', readOnly: false } as const
  return machineParts(plan, {
    exports: planExports(plan, file),
    monitor: file('monitor.sock'),
    terminal: plan.terminal ? file('terminal.sock') : undefined,
    disks: plan.upper === null ? [] : [image],
    upper: plan.upper === null ? null : upper,
  })
}

describe('the parts of a machine', () => {
  it('say which kernel modules the guest needs', () => {
    const modules = (options: PlanOptions): string[] =>
      partsOf(options).flatMap((part) => part.modules ?? [])
    expect(modules({})).toEqual(['9pnet_virtio', 'virtio_console'])
    expect(modules({ upper: { disk: '/upper.img' }, terminal: false })).toEqual([
      '9pnet_virtio',
      'virtio_blk',
      'ext4',
    ])
  })

  it('say what the init script mounts and sets up', () => {
    const options = {
      upper: { disk: '/upper.img' },
      shares: [{ source: '/srv', target: '/mnt' }],
      nics: [{ socket: '/n.sock', mac: '52:54:00:12:01:02' }],
      restrictNetwork: false,
    }
    expect(initDevices(partsOf(options))).toMatchObject({
      control: { transport: 'tcp', port: 563, noXattrs: true },
      root: { transport: 'virtio', tag: 'root', readOnly: true, cache: 'loose' },
      shares: [{ transport: 'virtio', tag: 'share1', target: '/mnt', cache: 'mmap' }],
      upper: { device: '/dev/vda' },
      nics: ['user network', 'switch'],
    })
    expect(initDevices(partsOf({})).nics).toEqual(['user network, restricted'])
    expect(initDevices(partsOf({ userNetwork: false })).nics).toEqual([])
  })

  it('print on the screen first, so that /dev/console is the serial port', () => {
    const kernel = partsOf({}).flatMap((part) => part.kernel ?? [])
    expect(kernel).toEqual(['console=tty0', 'console=ttyS0'])
  })
})

it('a directory has an engine of its own if it is writable or another file system', () => {
  const host = { ...found, root: { ...found.root, hasModules: false } }
  const tree = new SyntheticTree(directory())
  const shares = [
    { source: '/beside', target: '/a' },
    { source: tree, target: '/t' },
    { source: '/elsewhere', target: '/b', readOnly: true },
    { source: '/beside', target: '/c', readOnly: true },
  ]
  const exports = planExports(planMachine({ shares, msize: '8K' }, host), file)
  const servers = exports.map(({ server }) =>
    server.kind === 'engine' ? [server.engine, server.exported.name] : server.kind,
  )
  // The last one is the kernel's modules.
  const withRoot = [
    [0, 'share4'],
    [0, 'share5'],
  ]
  expect(servers).toEqual(['control', [0, null], [1, null], 'tree', [2, null], ...withRoot])
  expect(exports[3]).toMatchObject({
    use: { target: '/t' },
    socket: '/run/export2.sock',
    mount: { transport: 'tcp', port: 566, msize: 8192, cache: 'none', readOnly: false },
  })
  expect(exports[5]?.mount).toMatchObject({ name: 'share4', readOnly: true, msize: 8192 })
})

it.each([
  [{ readOnly: false }, undefined, true],
  [{ readOnly: true }, undefined, false],
  [{ readOnly: true, locks: 'host' }, 'host', true],
  [{ readOnly: false, locks: 'guests' }, 'guests', true],
] as const)('a share of %j has its locks where they are to count', (options, scope, remote) => {
  const shares = [{ source: '/elsewhere', target: '/a', ...options }]
  const plan = planMachine(
    { shares },
    {
      ...found,
      transport: { transport: 'virtiofs', reason: 'QEMU has the device' },
    },
  )
  const [, , share] = planExports(plan, file)
  expect(share?.server).toMatchObject({
    exported: { lockScope: scope },
    listen: { kind: 'virtiofs', remoteLocks: remote },
  })
})

it('a tree has no locks that could keep out the host', () => {
  const shares = [{ source: new SyntheticTree(directory()), target: '/t', locks: 'host' } as const]
  expect(() => planMachine({ shares }, found)).toThrow('/t cannot have locks. A directory can.')
})

it('a directory that is not there, or on another file system, is not on the root’s', async () => {
  const folder = temporaryDirectory()
  expect(await onSameFileSystem(folder, [folder, '/proc', join(folder, 'none')])).toEqual([folder])
})
