import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { behaviours } from '../conformance/behaviours.ts'
import { conformanceLines, conformanceScript } from '../support/conformance-script.ts'
import { bootMachine, kernelSuites, sh, vmKernel } from '../support/vm-machine.ts'

/**
 * The behaviours of test/conformance on a share, through the client of the guest's kernel. Node comes
 * from the guest's root, which is this machine's, and runs all of them in one process: it starts slowly.
 */
describe.each(kernelSuites)('the kernel of Debian %s', (suite) => {
  it('finds every behaviour of a file system in a share', async () => {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lowerdir-test-')))
    try {
      const share = { source: folder, target: '/share', readOnly: false, owner: 'host' } as const
      await using machine = await bootMachine({ kernel: await vmKernel(suite), shares: [share] })
      const command = `${process.execPath} ${conformanceScript()} /share`
      const { status, stdout, stderr } = await sh(machine, command)
      const lines = conformanceLines(stdout)
      expect(lines.filter(({ ok }) => !ok)).toEqual([])
      expect(lines.map(({ name }) => name)).toEqual(Object.keys(behaviours))
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
