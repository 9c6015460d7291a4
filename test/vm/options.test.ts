import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Machine } from '../../src/testing/machine.ts'
import { bootTested } from '../support/vm-boot.ts'

const folder = mkdtempSync(join(tmpdir(), 'lowerdir-test-'))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('a machine', () => {
  let vm: Machine

  beforeAll(async () => {
    vm = await bootTested({
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

  it('has it where it goes on from a snapshot, and says why it is emulated or not', async () => {
    await using snapshot = await vm.snapshot()
    await using again = await Machine.restore(snapshot)
    expect(await again.succeed("grep ' /lower 9p ' /proc/1/mounts")).toContain(',msize=65536,')
    expect(again.recorder.events.find(({ kind }) => kind === 'machine')).toMatchObject({
      acceleratorReason: expect.stringContaining('when it was saved') as string,
    })
  })
})
