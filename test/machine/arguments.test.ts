import { describe, expect, it } from 'vitest'
import { qemuArguments as argumentsOf } from '../../src/machine/arguments.ts'
import { type HostEnds, machineParts } from '../../src/machine/parts.ts'
import { type MachinePlan, planMachine } from '../../src/machine/plan.ts'
import { found } from './found.ts'

/** What a machine is made of, and what it is connected to. */
interface MachineSpec extends MachinePlan {
  readonly exports: readonly Pick<HostEnds['exports'][number], 'socket' | 'mount'>[]
  readonly images?: HostEnds['disks']
  readonly terminalSocket?: string
}

const policy = { readOnly: true, cache: 'none', msize: 65_536 } as const

const spec = {
  ...planMachine(
    { name: 'guest', memory: 512, cpus: 2, userNetwork: false, screen: false, terminal: false },
    found,
  ),
  exports: [
    { socket: '/run/a.sock', mount: { transport: 'tcp', port: 563, ...policy } },
    { socket: '/run/b,c.sock', mount: { transport: 'tcp', port: 564, ...policy } },
  ],
} as const satisfies MachineSpec

function qemuArguments({ exports, images, terminalSocket, ...plan }: MachineSpec): string[] {
  const parts = machineParts(plan, {
    exports: exports.map((each, i) => ({
      ...each,
      use: { target: `/share${i}` },
      server: { kind: 'process' },
    })),
    monitor: '/run/monitor.sock',
    terminal: terminalSocket,
    disks: images ?? [],
    upper: null,
  })
  return argumentsOf(plan, parts, '/run/initramfs')
}

/** The value behind each occurrence of an option. */
function valuesOf(option: string, args: readonly string[]): (string | undefined)[] {
  return args.flatMap((arg, i) => (arg === option ? [args[i + 1]] : []))
}

describe('QEMU’s command line', () => {
  it('has the machine’s size and kernel', () => {
    const args = qemuArguments(spec)
    expect(valuesOf('-m', args)).toEqual(['512M'])
    expect(valuesOf('-smp', args)).toEqual(['2'])
    expect(valuesOf('-kernel', args)).toEqual(['/boot/vmlinuz'])
    expect(valuesOf('-initrd', args)).toEqual(['/run/initramfs'])
  })

  it.each([
    ['tcg', '/boot/vmlinuz.elf'],
    ['kvm', '/boot/vmlinuz'],
  ] as const)('has, under %s, the kernel as that CPU boots it fastest', (accelerator, file) => {
    const kernel = { ...spec.kernel, elf: '/boot/vmlinuz.elf' }
    expect(valuesOf('-kernel', qemuArguments({ ...spec, accelerator, kernel }))).toEqual([file])
    expect(valuesOf('-kernel', qemuArguments({ ...spec, accelerator }))).toEqual(['/boot/vmlinuz'])
    // Linux finds a graphics card's text console only through the image's start.
    const withScreen = qemuArguments({ ...spec, accelerator, kernel, screen: true })
    expect(valuesOf('-kernel', withScreen)).toEqual(['/boot/vmlinuz'])
  })

  it('forwards a port of a network without any other way out to each export', () => {
    expect(valuesOf('-netdev', qemuArguments(spec))).toEqual([
      'user,id=exports,restrict=on,' +
        'guestfwd=tcp:10.0.2.100:563-chardev:export0,guestfwd=tcp:10.0.2.100:564-chardev:export1',
    ])
  })

  it('puts the NICs that the guest sees before the one that it does not', () => {
    const args = qemuArguments({
      ...spec,
      userNetwork: { restricted: true, forwards: [{ host: 8080, guest: 80 }] },
      nics: [{ socket: '/run/n,1.sock', mac: '52:54:00:12:01:02' }],
    })
    expect(valuesOf('-device', args)).toEqual([
      'virtio-net-pci,romfile=,guest_announce=off,netdev=user,id=card-user',
      'virtio-net-pci,romfile=,guest_announce=off,netdev=net0,id=card-net0,mac=52:54:00:12:01:02',
      'vmgenid,guid=auto',
      'virtio-net-pci,romfile=,guest_announce=off,netdev=exports',
    ])
    expect(valuesOf('-netdev', args).slice(0, 2)).toEqual([
      'user,id=user,restrict=on,hostfwd=tcp:127.0.0.1:8080-:80',
      'stream,id=net0,server=off,addr.type=unix,addr.path=/run/n,,1.sock',
    ])
  })

  it('makes a device of each export that is one, in memory that its server can map', () => {
    const [control, { socket }] = spec.exports
    const devices = ['root', 'share1'].map(
      (tag) => ({ socket, mount: { transport: 'virtio', tag, ...policy } }) as const,
    )
    const args = qemuArguments({ ...spec, exports: [control, ...devices] })
    expect(valuesOf('-machine', args)).toEqual(['q35,memory-backend=memory'])
    expect(valuesOf('-object', args)).toEqual(['memory-backend-memfd,id=memory,size=512M,share=on'])
    expect(valuesOf('-m', args)).toEqual(['512M'])
    expect(valuesOf('-netdev', args)).toEqual([
      'user,id=exports,restrict=on,guestfwd=tcp:10.0.2.100:563-chardev:export0',
    ])
    const device = 'vhost-user-test-device-pci,virtio-id=9,num_vqs=1,vq_size=128'
    expect(valuesOf('-device', args)).toEqual([
      'vmgenid,guid=auto',
      'virtio-net-pci,romfile=,guest_announce=off,netdev=exports',
      `${device},config_size=6,chardev=export1`,
      `${device},config_size=8,chardev=export2`,
    ])
    expect(valuesOf('-chardev', args)).toContain('socket,id=export2,path=/run/b,,c.sock')
    const elsewhere = qemuArguments({ ...spec, arch: 'arm64', exports: devices })
    expect(valuesOf('-machine', elsewhere)).toEqual(['virt,memory-backend=memory'])
  })

  it('shares no memory if there is no such device', () => {
    expect(valuesOf('-object', qemuArguments(spec))).toEqual([])
  })

  it('doubles the commas of a path', () => {
    expect(valuesOf('-chardev', qemuArguments(spec))).toContain(
      'socket,id=export1,path=/run/b,,c.sock',
    )
  })

  it.each([
    ['x64', 'tcg', 'q35', 'max', 'tcg,thread=multi', 'ttyS0'],
    ['x64', 'kvm', 'q35', 'host', 'kvm', 'ttyS0'],
    ['arm64', 'tcg', 'virt', 'max', 'tcg,thread=multi', 'ttyAMA0'],
  ] as const)('on %s with %s', (arch, accelerator, machine, cpu, accel, console) => {
    const args = qemuArguments({ ...spec, arch, accelerator })
    expect(valuesOf('-machine', args)).toEqual([machine])
    expect(valuesOf('-cpu', args)).toEqual([cpu])
    expect(valuesOf('-accel', args)).toEqual([accel])
    expect(valuesOf('-append', args)[0]).toContain(`console=${console} `)
  })

  it('ends the guest when its kernel panics, unless the user’s own arguments say otherwise', () => {
    const args = qemuArguments({ ...spec, append: 'panic=0 quiet' })
    expect(args).toContain('-no-reboot')
    expect(valuesOf('-append', args)[0]).toMatch(/ panic=-1 .* panic=0 quiet$/)
  })

  it('says the format of each disk, and keeps the commas of its path', () => {
    const args = qemuArguments({
      ...spec,
      images: [
        { file: '/srv/a,b.img', format: 'raw', readOnly: false },
        { file: '/srv/c.qcow2', format: 'qcow2', readOnly: true },
      ],
    })
    expect(valuesOf('-blockdev', args)).toEqual([
      'driver=raw,node-name=disk0,read-only=off,file.driver=file,file.filename=/srv/a,,b.img',
      'driver=qcow2,node-name=disk1,read-only=on,file.driver=file,file.filename=/srv/c.qcow2',
    ])
    expect(valuesOf('-device', args).slice(-2)).toEqual([
      'virtio-blk-pci,drive=disk0',
      'virtio-blk-pci,drive=disk1',
    ])
  })

  it('end with what else QEMU is to know', () => {
    const args = qemuArguments({ ...spec, qemuArguments: ['-device', 'virtio-rng-pci'] })
    expect(args.slice(-2)).toEqual(['-device', 'virtio-rng-pci'])
  })

  it('has a terminal only where one is wanted', () => {
    expect(qemuArguments(spec).join(' ')).not.toContain('virtconsole')
    const args = qemuArguments({ ...spec, terminalSocket: '/run/t.sock' })
    expect(valuesOf('-chardev', args)).toContain('socket,id=terminal,path=/run/t.sock')
    expect(valuesOf('-device', args)).toContain('virtconsole,chardev=terminal')
  })
})
