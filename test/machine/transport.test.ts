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
  it('over vhost-user where QEMU has the device and the kernel its driver', async () => {
    expect(await chosen('sid', 'auto', '9p', '9pnet_virtio')).toEqual({
      transport: 'vhost-user',
      reason: expect.stringMatching(/^QEMU [\d.]+ has vhost-user-test-device-pci$/) as string,
    })
    expect(await chosen('sid', 'vhost-user', '9p', '9pnet_virtio')).toEqual({
      transport: 'vhost-user',
      reason: 'it was asked for',
    })
  })

  it('over tcp where QEMU has no such device, with a word on how to get one', async () => {
    const { transport, reason } = await chosen('bookworm', 'auto', '9p', '9pnet_virtio')
    expect(transport).toBe('tcp')
    expect(reason).toMatch(/^QEMU 7\.2\S* has no vhost-user-test-device-pci; /)
    expect(reason).toMatch(/; `lowerdir setup --qemu newest` fetches one that has$/)
  })

  it('over tcp where the kernel has no driver for it', async () => {
    expect(await chosen('sid', 'auto', '9p', '9pnet_fd')).toEqual({
      transport: 'tcp',
      reason: "the guest's kernel 1.2.3 has no 9pnet_virtio",
    })
  })

  it('not at all if vhost-user was asked for and cannot be used', async () => {
    await expect(chosen('bookworm', 'vhost-user', '9pnet_virtio')).rejects.toThrow(
      /^vhost-user cannot be used: QEMU .*`lowerdir setup --qemu newest`.*Without --transport vhost-user/,
    )
    await expect(chosen('sid', 'vhost-user')).rejects.toThrow('has no 9pnet_virtio. Without')
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
  const said =
    "qemu-system-x86_64: -device vhost-user-test-device-pci,virtio-id=9: Property 'x.num_vqs' not found\n"
  expect(obstacleIn(said, '12.0')).toBe(
    `QEMU 12.0 cannot make a vhost-user-test-device-pci: ${said.trim()}`,
  )
  expect(obstacleIn('', '12.0')).toBe('QEMU 12.0 cannot make a vhost-user-test-device-pci')
})
