import { describe, expect, it } from 'vitest'
import { OptionError } from '../../src/machine/failure.ts'
import type { MachineOptions } from '../../src/machine/options.ts'
import { type Found, type MachinePlan, planMachine } from '../../src/machine/plan.ts'
import { MASKED_UNITS } from '../../src/guest/systemd.ts'
import { SyntheticTree } from '../../src/tree/synthetic/synthetic-tree.ts'
import { directory } from '../../src/tree/synthetic/entry.ts'
import { found } from './found.ts'

const modules = {
  source: '/kernels/lib/modules/6.1',
  target: '/lib/modules/6.1',
  readOnly: true,
  owner: { uid: 0, gid: 0 },
  withRoot: true,
}

/** The host, with another root. */
function withRoot(root: Partial<Found['root']>): Found {
  return { ...found, root: { ...found.root, ...root } }
}

describe('a plan', () => {
  it('is a test’s machine where the options say nothing', () => {
    expect(planMachine({}, found)).toEqual({
      arch: 'x64',
      qemu: found.qemu,
      kernel: found.kernel,
      busybox: '/usr/bin/busybox',
      accelerator: 'tcg',
      transport: '9p',
      msize: null,
      root: '/',
      rootOwner: 'host',
      atime: 'preserve',
      sandbox: 'auto',
      shares: [],
      upper: null,
      disks: [],
      memoryMiB: 1024,
      cpus: 1,
      append: '',
      initrd: null,
      qemuArguments: [],
      hostname: 'machine',
      init: 'systemd',
      maskedUnits: MASKED_UNITS,
      prepare: '',
      userNetwork: { restricted: true, forwards: [] },
      nics: [],
      screen: true,
      terminal: true,
    } satisfies MachinePlan)
  })

  it('makes no difference between what is left out and what is undefined', () => {
    const unset = { accel: undefined, kernel: undefined, msize: undefined, qemu: undefined }
    expect(planMachine(unset, found)).toEqual(planMachine({}, found))
  })

  it('resolves paths from the current directory', () => {
    const { shares, upper, disks, initrd } = planMachine(
      {
        shares: [{ source: 'a', target: '/a' }],
        upper: { disk: 'b.img' },
        disks: [{ file: '../c.img' }, { size: '2G' }],
        initrd: 'd.cpio',
      },
      found,
    )
    expect(shares).toEqual([{ source: '/home/me/a', target: '/a', readOnly: false, owner: 'host' }])
    expect(upper).toEqual({ file: '/home/me/b.img', sizeMiB: 4096 })
    expect(disks).toEqual([
      { file: '/home/c.img', format: 'raw', readOnly: false },
      { sizeMiB: 2048 },
    ])
    expect(initrd).toBe('/home/me/d.cpio')
  })

  it.each([
    [{ directory: 'kept' }, '/home/me/kept'],
    ['./kept', '/home/me/kept'],
    ['/var/kept', '/var/kept'],
  ] as const)('puts the upper layer into a directory, over virtio-fs: %j', (upper, path) => {
    const over = { transport: 'virtiofs', reason: 'QEMU has the device' } as const
    const planned = (uid: number): unknown =>
      planMachine({ upper }, { ...found, uid, transport: over }).upper
    expect(planned(0)).toEqual({ directory: path, owner: 'host' })
    expect(planned(1000)).toEqual({ directory: path, owner: 'mapped-xattr' })
    expect(() => planMachine({ upper }, found)).toThrow(
      'upper: a directory takes the transport virtiofs, and files take 9p here: QEMU has the device.',
    )
  })

  it('takes a word for a mistake, and not for a directory', () => {
    const upper = 'tmp' as 'tmpfs'
    expect(() => planMachine({ upper }, found)).toThrow(
      'upper: "tmp" is neither tmpfs nor a path. Write ./tmp for a directory.',
    )
  })

  it('passes a tree on as it is', () => {
    const tree = new SyntheticTree(directory())
    const { shares } = planMachine({ shares: [{ source: tree, target: '/t' }] }, found)
    expect(shares).toEqual([{ tree, target: '/t', readOnly: false }])
  })

  it('shares the kernel’s modules where the guest does not see its own', () => {
    const shares = (options: MachineOptions, host: Found): MachinePlan['shares'] =>
      planMachine(options, host).shares
    expect(shares({}, withRoot({ hasModules: false }))).toEqual([modules])
    expect(shares({ rootView: { hide: ['lib'] } }, found)).toEqual([modules])
    expect(shares({ rootView: { hide: ['etc'] } }, found)).toEqual([])
  })

  it('shows a root of an ordinary user’s as root’s', () => {
    const host = withRoot({ uid: 1000 })
    expect(planMachine({}, host).rootOwner).toEqual({ uid: 0, gid: 0 })
    expect(planMachine({ rootOwner: 'host' }, host).rootOwner).toBe('host')
  })

  it.each([
    ['auto', { hasSystemd: true, hasInit: true }, 'systemd'],
    ['auto', { hasSystemd: true, hasInit: false }, 'none'],
    ['auto', { hasSystemd: false, hasInit: true }, 'none'],
    ['systemd', { hasSystemd: true, hasInit: false }, 'systemd'],
    ['none', { hasSystemd: true, hasInit: true }, 'none'],
  ] as const)('with init %s and a root with %j starts %s', (init, root, started) => {
    expect(planMachine({ init }, withRoot(root)).init).toBe(started)
  })

  it('has no user network where none is wanted', () => {
    const { userNetwork } = planMachine({ userNetwork: false }, found)
    expect(userNetwork).toBeNull()
    const forwardPorts = [{ host: 8080, guest: 80 }]
    expect(planMachine({ forwardPorts, restrictNetwork: false }, found).userNetwork).toEqual({
      restricted: false,
      forwards: forwardPorts,
    })
  })
})

it.each([
  [{ name: 'no_host' }, '"no_host" is no host name'],
  [{ init: 'systemd' }, '/ has no systemd, so it cannot be its init.'],
  [{ msize: '600K' }, 'cannot have 614400 bytes'],
] as const)('%j cannot be planned', (options, words) => {
  const plan = (): MachinePlan => planMachine(options, withRoot({ hasSystemd: false }))
  expect(plan).toThrow(OptionError)
  expect(plan).toThrow(words)
})

it.each([
  [{ memory: 'much' }, 'memory: much is no size.'],
  [{ msize: 'big' }, 'msize: big is no size.'],
  [{ disks: [{ size: 'big' }] }, 'disks: size: big is no size.'],
])('%j is no size', (options, words) => {
  expect(() => planMachine(options, found)).toThrow(words)
})
