import type { Accelerator } from './accelerator.ts'

/**
 * How long a guest may take until it is ready, in milliseconds. Emulation is some twenty times slower, and a
 * guest that is merely slow must not be given up.
 */
export const BOOT_TIMEOUT: Readonly<Record<Accelerator, number>> = { kvm: 60_000, tcg: 300_000 }
