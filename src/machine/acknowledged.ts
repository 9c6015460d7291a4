import { setTimeout as sleep } from 'node:timers/promises'
import { EXPORT_ADDRESS } from '../guest/mount.ts'
import type { Qmp } from './qmp.ts'

/** How long the guest may take, in milliseconds. Linux delays acknowledgements by about 40. */
const TIMEOUT = 10_000

/** Time between two questions to QEMU, in milliseconds. */
const INTERVAL = 2

/**
 * Resolves when the guest has acknowledged all bytes of its exports that QEMU's user network has sent.
 *
 * QEMU saves unacknowledged bytes but loses them on loading: libslirp reads how many bytes a buffer has, and resets the
 * number when it allocates the buffer (sbuf_tmp_post_load in its src/state.c, as of 4.7 to 4.9).
 *
 * @throws Error when the guest takes too long.
 */
export async function whenAcknowledged(qmp: Qmp): Promise<void> {
  const end = performance.now() + TIMEOUT
  for (;;) {
    const text = await qmp.execute('human-monitor-command', { 'command-line': 'info usernet' })
    if (unacknowledged(String(text)) === 0) return
    if (performance.now() > end) {
      throw new Error(
        'The guest has not acknowledged what its servers have answered for 10 seconds.',
      )
    }
    await sleep(INTERVAL)
  }
}

/** How many bytes wait in the connections to exports, according to the output of `info usernet`. */
export function unacknowledged(text: string): number {
  let waiting = 0
  for (const line of text.split('\n')) {
    // Protocol[State] FD, address and port on both sides, bytes that wait in either direction.
    const words = line.trim().split(/\s+/)
    if (!line.trim().startsWith('TCP[') || !words.includes(EXPORT_ADDRESS)) continue
    waiting += Number(words.at(-1)) + Number(words.at(-2))
  }
  return waiting
}
