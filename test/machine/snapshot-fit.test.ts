import { describe, expect, it } from 'vitest'
import { whyUnfit } from '../../src/machine/snapshot-fit.ts'
import type { Inventory } from '../../src/provision/inventory.ts'

const here = process.execPath
const kernel = { image: here, release: '6.1', modules: '/', source: 'cache' } as const
const qemu = {
  command: here,
  args: [],
  version: { major: 11, minor: 1, text: '11.1.3' },
  source: 'PATH',
} as const
const busybox = { missing: 'none' }
const now: Inventory = { qemu: { found: qemu }, kernel: { found: kernel }, busybox }
const none: Inventory = { qemu: { missing: 'none' }, kernel: { missing: 'none' }, busybox }
const newer = { ...qemu, version: { major: 12, minor: 0, text: '12.0.0' } }

describe('a snapshot', () => {
  it('fits the QEMU and the kernel that it was made with', () => {
    expect(whyUnfit({ qemu, kernel }, now)).toBeUndefined()
  })

  it('fits those that its test has named, whatever else is found', () => {
    const named = { qemu: { ...qemu, source: 'option' }, kernel: { ...kernel, source: 'option' } }
    expect(whyUnfit(named as never, none)).toBeUndefined()
  })

  it.each([
    [{ qemu: { ...qemu, command: '/no/qemu' }, kernel }, now, 'its QEMU, /no/qemu, is gone'],
    [{ qemu, kernel: { ...kernel, image: '/no/linux' } }, now, 'its kernel, /no/linux, is gone'],
    [{ qemu, kernel }, { ...now, qemu: { found: newer } }, 'QEMU is 12.0.0 now'],
    [{ qemu, kernel }, { ...now, kernel: none.kernel }, 'there is no kernel now'],
    [{ qemu, kernel }, { ...now, qemu: none.qemu }, 'there is no QEMU now'],
    [
      { qemu, kernel },
      { ...now, kernel: { found: { ...kernel, release: '6.12' } } },
      'the kernel is 6.12 now',
    ],
  ])('does not fit another: %#', (plan, inventory, why) => {
    expect(whyUnfit(plan, inventory)).toBe(why)
  })
})
