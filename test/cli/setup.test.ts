import { expect, it } from 'vitest'
import { lowerdir } from '../support/vm-cli.ts'

const qemuRow = (output: Buffer): string | undefined => /^QEMU .*/m.exec(output.toString())?.[0]

// It asks the mirror that this machine's apt uses; what it fetches then is what the VM tests take, too.
it('`setup --qemu newest` leaves a QEMU that can do virtio-fs, and `doctor` finds it', async () => {
  const { status, stdout } = await lowerdir(['setup', '--only', 'qemu', '--qemu', 'newest'])
  expect(status).toBe(0)
  expect(qemuRow(stdout)).toMatch(/^QEMU +\d+\.\d+\.\d+ \(.*\/qemu\/\d/)
  const doctor = await lowerdir(['doctor'], { env: { LOWERDIR_QEMU: undefined } })
  expect(qemuRow(doctor.stdout)).toBe(qemuRow(stdout))
  expect(doctor.stdout.toString()).toMatch(/^transport +virtiofs: QEMU .* has /m)
})
