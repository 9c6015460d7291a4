import type { GuestPhase } from '../guest/init.ts'

/** How far a boot is. */
export type BootPhase = 'qemu' | GuestPhase | 'ready'

/** Options for following a machine while it runs, and its time limit. A snapshot holds none of this. */
export interface MachineHooks {
  /** Whether sockets and the initramfs stay where they are when the machine is gone. */
  readonly keep: boolean
  /** Milliseconds that the guest may take until it is ready for its first command. */
  readonly bootTimeout: number
  /** Aborting it makes the boot fail with its reason. */
  readonly signal: AbortSignal
  readonly onPhase: (phase: BootPhase) => void
  readonly onConsoleLine: (line: string) => void
  readonly log: (line: string) => void
}
