import type { GuestInit } from '../guest/init.ts'
import type { Accelerator } from '../machine/accelerator.ts'
import type { QemuMachine } from '../machine/qemu-machine.ts'
import type { Artifacts } from '../record/artifacts.ts'
import type { Recorder } from '../record/recorder.ts'

/** What a machine is made of. */
export interface MachineParts {
  readonly name: string
  readonly qemu: QemuMachine
  readonly init: GuestInit
  readonly accelerator: Accelerator
  readonly recorder: Recorder
  /** Where what people may look at is left, if anywhere. */
  readonly artifacts: Artifacts | undefined
  readonly env: Readonly<Record<string, string>>
  /** Where a network has put it; undefined outside of one. */
  readonly cables: { block(): void; unblock(): void } | undefined
  /** Owns all of it. */
  readonly resources: AsyncDisposable
}
