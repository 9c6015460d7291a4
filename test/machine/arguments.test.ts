import { describe, expect, it } from 'vitest'
import { type MachineSpec, qemuArguments } from '../../src/machine/arguments.ts'

const spec = {
  arch: 'x64',
  accelerator: 'tcg',
  memoryMiB: 512,
  cpus: 2,
  kernel: '/boot/vmlinuz',
  initrd: '/run/initramfs',
  append: '',
  further: [],
  exports: [
    { socket: '/run/a.sock', mount: { transport: 'tcp', port: 563 } },
    { socket: '/run/b,c.sock', mount: { transport: 'tcp', port: 564 } },
  ],
  qmpSocket: '/run/monitor.sock',
} as const satisfies MachineSpec

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

  it('forwards a port of a network without any other way out to each export', () => {
    expect(valuesOf('-netdev', qemuArguments(spec))).toEqual([
      'user,id=net,restrict=on,' +
        'guestfwd=tcp:10.0.2.100:563-chardev:export0,guestfwd=tcp:10.0.2.100:564-chardev:export1',
    ])
  })

  it('makes a device of each export that is one, in memory that its server can map', () => {
    const [control, { socket }] = spec.exports
    const devices = ['root', 'share1'].map(
      (tag) => ({ socket, mount: { transport: 'virtio', tag } }) as const,
    )
    const args = qemuArguments({ ...spec, exports: [control, ...devices] })
    expect(valuesOf('-machine', args)).toEqual(['q35,memory-backend=memory'])
    expect(valuesOf('-object', args)).toEqual(['memory-backend-memfd,id=memory,size=512M,share=on'])
    expect(valuesOf('-m', args)).toEqual(['512M'])
    expect(valuesOf('-netdev', args)).toEqual([
      'user,id=net,restrict=on,guestfwd=tcp:10.0.2.100:563-chardev:export0',
    ])
    const device = 'vhost-user-test-device-pci,virtio-id=9,num_vqs=1,vq_size=128'
    expect(valuesOf('-device', args)).toEqual([
      'virtio-net-pci,netdev=net,romfile=',
      `${device},config_size=6,chardev=export1`,
      `${device},config_size=8,chardev=export2`,
    ])
    expect(valuesOf('-chardev', args)).toContain('socket,id=export2,path=/run/b,,c.sock')
    const elsewhere = qemuArguments({ ...spec, arch: 'arm64', exports: devices })
    expect(valuesOf('-machine', elsewhere)).toEqual(['virt,memory-backend=memory'])
  })

  it('shares no memory with anybody where there is no such device', () => {
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

  it('end with what else QEMU is to know', () => {
    const args = qemuArguments({ ...spec, further: ['-device', 'virtio-rng-pci'] })
    expect(args.slice(-2)).toEqual(['-device', 'virtio-rng-pci'])
  })

  it('has a terminal only where one is wanted', () => {
    expect(qemuArguments(spec).join(' ')).not.toContain('virtconsole')
    const args = qemuArguments({ ...spec, terminalSocket: '/run/t.sock' })
    expect(valuesOf('-chardev', args)).toContain('socket,id=terminal,path=/run/t.sock')
    expect(valuesOf('-device', args)).toContain('virtconsole,chardev=terminal')
  })
})
