import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Kernel } from '../../src/guest/kernel.ts'
import { chooseTransport, obstacleIn } from '../../src/machine/transport.ts'
import type { Qemu } from '../../src/provision/qemu.ts'
import { makeModules } from '../guest/fake-kernel.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { vmQemu } from '../support/vm-machine.ts'

/** A kernel that has these modules. */
async function kernelWith(...modules: readonly string[]): Promise<Kernel> {
  const folder = join(temporaryDirectory(), '1.2.3')
  await makeModules(folder, modules)
  return { image: '/boot/vmlinuz-1.2.3', release: '1.2.3', modules: folder }
}

/** The real one of a suite, as far as choosing goes. */
async function chosen(
  suite: string,
  choice: Parameters<typeof chooseTransport>[0],
  ...modules: readonly string[]
): ReturnType<typeof chooseTransport> {
  return chooseTransport(choice, await vmQemu(suite), await kernelWith(...modules))
}

describe('files get to the guest', () => {
  it('over virtio-fs where QEMU has the device, as any has, and the kernel its driver', async () => {
    for (const suite of ['sid', 'bookworm']) {
      expect(await chosen(suite, 'auto', '9p', '9pnet_virtio', 'virtiofs')).toEqual({
        transport: 'virtiofs',
        reason: expect.stringMatching(/^QEMU \d\S* has vhost-user-fs-pci$/) as string,
      })
    }
    expect(await chosen('sid', 'virtiofs', 'virtiofs')).toEqual({
      transport: 'virtiofs',
      reason: 'it was asked for',
    })
  })

  it('over 9P where QEMU has the device and the kernel its driver, and not that of virtio-fs', async () => {
    expect(await chosen('sid', 'auto', '9p', '9pnet_virtio')).toEqual({
      transport: '9p',
      reason: expect.stringMatching(/^QEMU [\d.]+ has vhost-user-test-device-pci$/) as string,
    })
    expect(await chosen('sid', '9p', '9p', '9pnet_virtio', 'virtiofs')).toEqual({
      transport: '9p',
      reason: 'it was asked for',
    })
  })

  it('over 9P if something was asked for that only 9P has', async () => {
    const kernel = await kernelWith('9p', '9pnet_virtio', 'virtiofs')
    const { transport } = await chooseTransport('auto', await vmQemu('sid'), kernel, true)
    expect(transport).toBe('9p')
  })

  it('over tcp where neither can be used, and the reason names both', async () => {
    const { transport, reason } = await chosen('bookworm', 'auto', '9p', '9pnet_virtio')
    expect(transport).toBe('tcp')
    expect(reason).toMatch(
      /^the guest's kernel 1\.2\.3 has no virtiofs, and QEMU 7\.2\S* has no vhost-user-test-device-pci; /,
    )
    expect(reason).toMatch(/; `lowerdir setup --qemu newest` fetches one that has$/)
    expect(await chosen('sid', 'auto', '9p', '9pnet_fd')).toEqual({
      transport: 'tcp',
      reason:
        "the guest's kernel 1.2.3 has no virtiofs, and the guest's kernel 1.2.3 has no 9pnet_virtio",
    })
  })

  it('not at all if a transport was asked for that cannot be used', async () => {
    await expect(chosen('bookworm', '9p', '9pnet_virtio')).rejects.toThrow(
      /^9p cannot be used: QEMU .*`lowerdir setup --qemu newest`.*Without --transport 9p/,
    )
    await expect(chosen('sid', '9p')).rejects.toThrow('has no 9pnet_virtio. Without')
    await expect(chosen('sid', 'virtiofs')).rejects.toThrow('has no virtiofs. Without')
  })

  it('over tcp if that was asked for, with any QEMU', async () => {
    const none: Qemu = {
      command: '/no/such',
      args: [],
      version: { major: 0, minor: 0, text: '' },
      source: 'option',
    }
    expect(await chooseTransport('tcp', none, await kernelWith())).toEqual({
      transport: 'tcp',
      reason: 'it was asked for',
    })
    expect(await chooseTransport('auto', none, await kernelWith())).toMatchObject({
      transport: 'tcp',
    })
  })
})

it('QEMU’s own words are the reason when there is another', () => {
  const device = { device: 'vhost-user-test-device-pci', advice: '' }
  const said =
    "qemu-system-x86_64: -device vhost-user-test-device-pci,virtio-id=9: Property 'x.num_vqs' not found\n"
  expect(obstacleIn(said, '12.0', device)).toBe(
    `QEMU 12.0 cannot make a vhost-user-test-device-pci: ${said.trim()}`,
  )
  expect(obstacleIn('', '12.0', device)).toBe('QEMU 12.0 cannot make a vhost-user-test-device-pci')
})
