import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cpio } from '../../src/guest/cpio.ts'
import { Machine } from '../../src/driver/machine.ts'
import { bootTested } from '../support/vm-boot.ts'

const folder = mkdtempSync(join(tmpdir(), 'lowerdir-test-'))
const initrd = join(folder, 'initrd')

/** An ACPI table of definitions (ACPI 6.5, 5.2.11.2): a header of 36 bytes, all of whose bytes add up to 0, and AML. */
function ssdt(aml: Buffer): Buffer {
  const table = Buffer.concat([Buffer.alloc(36), aml])
  table.write('SSDT')
  table.writeUInt32LE(table.length, 4)
  table[8] = 2
  table.write('LOWERDTESTING ', 10)
  table[24] = 1
  table.write('TEST', 28)
  table[9] = -table.reduce((sum, byte) => sum + byte, 0) & 0xff
  return table
}

/** `Scope (\_SB) { Device (LWDR) { Name (_HID, "LOWD0001") } }`, each length counting itself (ACPI 6.5, 20.2). */
const device = Buffer.from('\x10\x1c\\_SB_\x5b\x82\x14LWDR\x08_HID\x0dLOWD0001\0', 'latin1')

beforeAll(() => {
  const tables = cpio([
    { kind: 'file', path: 'kernel/firmware/acpi/test.aml', mode: 0o644, data: ssdt(device) },
  ])
  // What follows it has to begin at a multiple of 4 bytes.
  let firmware: Buffer
  let content = ''
  do {
    content += 'x'
    firmware = firmwareOf(Buffer.from(content))
  } while (firmware.length % 4 === 0)
  writeFileSync(initrd, Buffer.concat([tables, firmware]))
})

/** A compressed archive that has a driver's firmware, and what is not to be taken from it. */
function firmwareOf(data: Buffer): Buffer {
  const archive = cpio([
    { kind: 'file', path: 'lib/firmware/regulatory.db', mode: 0o644, data },
    { kind: 'file', path: 'init', mode: 0o755, data: Buffer.from('not this one') },
  ])
  return gzipSync(archive)
}

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('a machine', () => {
  let vm: Machine

  beforeAll(async () => {
    vm = await bootTested({
      initrd,
      msize: '64K',
      transport: 'tcp',
      shares: [{ source: folder, target: '/mnt/host' }],
    })
  })

  afterAll(() => vm?.[Symbol.asyncDispose]())

  it('has its root and its shares mounted with its msize', async () => {
    for (const target of ['/lower', '/root/mnt/host']) {
      const line = await vm.succeed(`grep ' ${target} 9p ' /proc/1/mounts`)
      expect(line).toContain(',msize=65536,trans=tcp')
    }
  })

  it('has the ACPI tables of its initrd', async () => {
    expect(await vm.readFile('/sys/bus/acpi/devices/LOWD0001:00/path')).toBe('\\_SB_.LWDR\n')
    expect(await vm.succeed('cat /sys/firmware/acpi/tables/SSDT*')).toContain('LOWERDTESTING')
  })

  it('has the firmware of its initrd, also out of an archive that is compressed', async () => {
    await vm.succeed('/run/lowerdir/busybox modprobe cfg80211')
    // So it says of one that it has found; one that is missing, it cannot load.
    await vm.waitUntilSucceeds('dmesg | grep "regulatory.db is malformed"', { timeout: 60 })
  })

  it('has all of it where it goes on from a snapshot, and says why it is emulated or not', async () => {
    // Linux makes up its boot_id when that is read first.
    const identity = async (machine: Machine): Promise<string[]> => {
      const files = '/proc/sys/kernel/random/boot_id /sys/class/net/eth0/address'
      return (await machine.succeed(`cat ${files}`)).trimEnd().split('\n')
    }
    const one = await identity(vm)
    await using snapshot = await vm.snapshot()
    await using again = await Machine.restore(snapshot)
    expect(await again.succeed("grep ' /lower 9p ' /proc/1/mounts")).toContain(',msize=65536,')
    expect(await again.readFile('/sys/bus/acpi/devices/LOWD0001:00/path')).toBe('\\_SB_.LWDR\n')
    expect(again.recorder.events.find(({ kind }) => kind === 'machine')).toMatchObject({
      acceleratorReason: expect.stringContaining('when it was saved') as string,
    })

    // Who it is: as it was, unless it is to be another one.
    await using other = await Machine.restore(snapshot, { newIdentity: true })
    const [same, fresh] = await Promise.all([again, other].map(identity))
    expect(same).toEqual(one)
    expect(fresh?.[0]).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    expect(fresh?.[1]).toMatch(/^52:54:00(:[0-9a-f]{2}){3}$/)
    expect([fresh?.[0] === one[0], fresh?.[1] === one[1]]).toEqual([false, false])

    await other.setClock()
    const before = Date.now()
    const told = Number(await other.succeed('date +%s%3N'))
    expect(told).toBeGreaterThan(before - 50)
    expect(told).toBeLessThan(Date.now() + 50)
  })
})
